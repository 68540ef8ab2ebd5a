-- Whoever looks by itself leaves what has just become ready to those that were told of it.
--
-- Of many sleepers there is always one that looks. If it takes a task that another one was woken for, sessions and plans
-- are made that nobody needed.

-- Whether a task of these names has been ready for longer than that: nobody was told of it, or nobody came.
CREATE FUNCTION any_late(p_names text[], p_age interval) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE floor bigint := drawn('task_ready_floor');
BEGIN
    RETURN coalesce((SELECT since < clock_timestamp() - p_age FROM task_ready
                     WHERE number > floor AND name = ANY (p_names) ORDER BY number LIMIT 1), false);
END $$;

-- What a worker does that has slept for long: joins the sleepers again if a wake that got lost has taken it from them, and
-- answers whether it has reason to look: that it has joined just now, or any_late(), or any_work() if p_age is null.
DROP FUNCTION sleep_on(uuid, bigint, text[]);
CREATE FUNCTION sleep_on(p_worker uuid, p_number bigint, p_names text[], p_age interval,
    OUT number bigint, OUT work boolean)
LANGUAGE plpgsql AS $$
BEGIN
    number := fall_asleep(p_worker, p_number);
    work := number <> p_number
            OR CASE WHEN p_age IS NULL THEN any_work(p_names) ELSE any_late(p_names, p_age) END;
END $$;
