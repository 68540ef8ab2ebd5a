-- Which of the names of ready tasks no live process knows, while there are workers.
CREATE OR REPLACE FUNCTION unknown_task_names() RETURNS text[] LANGUAGE sql AS $$
    SELECT coalesce(array_agg(DISTINCT name), '{}') FROM task_ready
    WHERE number > (SELECT last_number('task_ready_floor'))
      AND EXISTS (SELECT 1 FROM process WHERE kind = 'worker' AND gone_at IS NULL)
      AND NOT EXISTS (SELECT 1 FROM process WHERE gone_at IS NULL AND task_ready.name = ANY (tasks))
$$;
