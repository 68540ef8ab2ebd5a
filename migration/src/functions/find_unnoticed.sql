-- Finds what no notice told of: waiting tasks without a place, and places of final tasks. Costs a look at
-- every unfinished task.
CREATE OR REPLACE FUNCTION find_unnoticed() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE found_tasks bigint;
BEGIN
    WITH unnoticed AS (
        SELECT pulp_id FROM task WHERE state = 'waiting'
            AND NOT EXISTS (SELECT 1 FROM task_place WHERE task_id = pulp_id)
        UNION ALL
        SELECT task_id FROM task_place WHERE NOT EXISTS
            (SELECT 1 FROM task WHERE pulp_id = task_id AND state IN ('waiting', 'running', 'canceling'))),
    told AS (INSERT INTO task_notice (task_id)
        SELECT pulp_id FROM unnoticed EXCEPT SELECT task_id FROM task_notice RETURNING 1)
    SELECT count(*) INTO found_tasks FROM told;
    -- Notices and sleepers whose transactions took long.
    PERFORM setval('task_notice_floor', 1), setval('process_asleep_floor', 1);
    RETURN found_tasks;
END $$;
