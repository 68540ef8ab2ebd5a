-- Whether a task of these names has been ready for longer than that: nobody was told of it, or nobody came.
CREATE OR REPLACE FUNCTION any_late(p_names text[], p_age interval) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE floor bigint := drawn('task_ready_floor');
BEGIN
    RETURN coalesce((SELECT since < clock_timestamp() - p_age FROM task_ready
                     WHERE number > floor AND name = ANY (p_names) ORDER BY number LIMIT 1), false);
END $$;
