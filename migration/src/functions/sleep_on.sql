CREATE OR REPLACE FUNCTION sleep_on(p_worker uuid, p_number bigint, p_names text[], p_age interval,
    OUT number bigint, OUT work boolean)
LANGUAGE plpgsql AS $$
BEGIN
    number := fall_asleep(p_worker, p_number);
    work := number <> p_number
            OR CASE WHEN p_age IS NULL THEN any_work(p_names) ELSE any_late(p_names, p_age) END;
END $$;
