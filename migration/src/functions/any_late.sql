-- Whether a task of these names has been ready for longer than p_age: no worker was told of it, or none came.
CREATE OR REPLACE FUNCTION any_late(p_names text[], p_age interval) RETURNS boolean LANGUAGE sql AS $$
    SELECT coalesce((SELECT since < clock_timestamp() - p_age FROM task_ready
                     WHERE number > (SELECT last_number('task_ready_floor')) AND name = ANY (p_names)
                     ORDER BY number LIMIT 1), false)
$$;
