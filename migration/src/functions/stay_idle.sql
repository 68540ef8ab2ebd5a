-- What a worker calls that has been idle for long: adds it to the idle ones again if a wake-up that got lost
-- has removed it, and returns whether it has reason to look: that it was added just now, or any_late(), or
-- any_work() if p_age is null.
CREATE OR REPLACE FUNCTION stay_idle(p_worker uuid, p_number bigint, p_names text[], p_age interval,
    OUT number bigint, OUT work boolean)
LANGUAGE sql AS $$
    SELECT place.number, place.number <> p_number
        OR CASE WHEN p_age IS NULL THEN any_work(p_names) ELSE any_late(p_names, p_age) END
    FROM (SELECT become_idle(p_worker, p_number) AS number OFFSET 0) AS place
$$;
