-- Takes changes, the oldest first. They are looked for from the floor on, so that rows which were taken, and
-- which an old transaction keeps, cost nothing. Numbers are drawn before the commit, so that some below are
-- looked at again.
CREATE OR REPLACE FUNCTION take_changes(p_limit integer, OUT tasks uuid[], OUT more boolean)
LANGUAGE plpgsql AS $$
DECLARE
    -- Before the look: what was drawn until now and is committed is seen.
    tip bigint := last_number('task_change_number_seq');
    floor bigint := last_number('task_change_floor');
    read bigint;
    first bigint;
BEGIN
    WITH taken AS (
        -- An array: a join might look at the whole table.
        DELETE FROM task_change WHERE number = ANY (ARRAY
            (SELECT number FROM task_change WHERE number > floor - 50 ORDER BY number LIMIT p_limit))
        RETURNING number, task_id)
    SELECT coalesce(array_agg(DISTINCT task_id), '{}'), count(*), min(number)
        INTO tasks, read, first FROM taken;
    more := read >= p_limit;
    -- Not past what is taken now: if this is not committed, it is there again. And not every time, for the
    -- log's sake.
    IF coalesce(first, tip) > floor + 25 THEN
        PERFORM setval('task_change_floor', coalesce(first, tip));
    END IF;
END $$;
