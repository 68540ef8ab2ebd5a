-- Admits waiting tasks: adds them to the lines of the resources that they need, in the order of dispatch, and
-- grants what no other task is in the way of. Returns how many are ready.
CREATE OR REPLACE FUNCTION admit_tasks(p_tasks uuid[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE ready integer;
BEGIN
    WITH arrived AS MATERIALIZED (
        SELECT nextval('task_admitted_position_seq') AS position, one.* FROM (
            SELECT task.pulp_id AS task_id, task.name, needs.alone, needs.together
            FROM unnest(p_tasks) AS id
            CROSS JOIN LATERAL (SELECT * FROM task WHERE task.pulp_id = id OFFSET 0) AS task
            CROSS JOIN LATERAL (
                SELECT alone, ARRAY(SELECT DISTINCT hashtextextended(one, 0)
                                    FROM unnest(shared_resources) AS one
                                    WHERE hashtextextended(one, 0) <> ALL (alone)) AS together
                FROM (SELECT ARRAY(SELECT DISTINCT hashtextextended(one, 0)
                                   FROM unnest(exclusive_resources) AS one) AS alone) AS exclusive) AS needs
            WHERE (SELECT 1 FROM task_admitted WHERE task_id = id) IS NULL
            ORDER BY task.seq) AS one),
    -- What is in the line already is seen in the table; what comes at the same time, in the window. A task
    -- that needs nothing has a row without a resource.
    need AS MATERIALIZED (
        SELECT one.*,
               CASE WHEN exclusive
                   THEN row_number() OVER line = 1
                        AND (SELECT 1 FROM task_lock WHERE task_lock.resource = one.resource LIMIT 1) IS NULL
                   ELSE NOT bool_or(exclusive) OVER line
                        AND (SELECT 1 FROM task_lock
                             WHERE task_lock.exclusive_resource = one.resource LIMIT 1) IS NULL
               END AS granted
        FROM (SELECT * FROM arrived LEFT JOIN LATERAL (
                  SELECT unnest(alone) AS resource, true AS exclusive
                  UNION ALL SELECT unnest(together), false) AS each ON true) AS one
        WINDOW line AS (PARTITION BY resource ORDER BY position)),
    joined AS (
        INSERT INTO task_lock (resource, position, exclusive, granted)
        SELECT resource, position, exclusive, granted FROM need WHERE resource IS NOT NULL),
    place AS (
        INSERT INTO task_admitted (position, task_id, name, exclusive, shared, ungranted)
            OVERRIDING SYSTEM VALUE
        SELECT position, task_id, name, alone, together, count(*) FILTER (WHERE NOT granted)
        FROM need GROUP BY position, task_id, name, alone, together
        RETURNING position, task_id, name, ungranted)
    INSERT INTO task_ready (task_id, name)
        SELECT task_id, name FROM place WHERE ungranted = 0 ORDER BY position;
    GET DIAGNOSTICS ready = ROW_COUNT;
    RETURN ready;
END $$;
