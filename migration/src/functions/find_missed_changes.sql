-- Records what no change told of: waiting tasks that are not admitted, and admitted ones that are final.
-- Looks at every unfinished task. Returns how many there were.
CREATE OR REPLACE FUNCTION find_missed_changes() RETURNS bigint LANGUAGE sql AS $$
    -- For changes and idle workers whose transactions took long.
    SELECT setval('task_change_floor', 1), setval('idle_worker_floor', 1);
    WITH missed AS (
        SELECT pulp_id FROM task WHERE state = 'waiting'
            AND NOT EXISTS (SELECT FROM task_admitted WHERE task_id = pulp_id)
        UNION ALL
        SELECT task_id FROM task_admitted WHERE NOT EXISTS
            (SELECT FROM task WHERE pulp_id = task_id AND state IN ('waiting', 'running', 'canceling'))),
    recorded AS (
        INSERT INTO task_change (task_id)
        SELECT pulp_id FROM missed EXCEPT SELECT task_id FROM task_change RETURNING 1)
    SELECT count(*) FROM recorded
$$;
