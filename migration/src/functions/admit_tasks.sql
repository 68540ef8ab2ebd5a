-- Puts waiting tasks at the end of the lines of what they need, in the order of dispatch. Answers how many
-- are ready.
CREATE OR REPLACE FUNCTION admit_tasks(p_tasks uuid[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE ready integer;
BEGIN
    WITH arrived AS MATERIALIZED (
        SELECT nextval('task_place_position_seq') AS position, one.* FROM (
            SELECT task.pulp_id AS task_id, task.name, needs.alone, needs.together
            FROM unnest(p_tasks) AS id
            CROSS JOIN LATERAL (SELECT * FROM task WHERE task.pulp_id = id OFFSET 0) AS task
            CROSS JOIN LATERAL (
                SELECT alone, ARRAY(SELECT DISTINCT hashtextextended(one, 0) FROM unnest(shared_resources) AS one
                                    WHERE hashtextextended(one, 0) <> ALL (alone)) AS together
                FROM (SELECT ARRAY(SELECT DISTINCT hashtextextended(one, 0)
                                   FROM unnest(exclusive_resources) AS one) AS alone) AS exclusive) AS needs
            WHERE (SELECT 1 FROM task_place WHERE task_id = id) IS NULL
            ORDER BY task.seq) AS one),
    -- Who is in the line already is seen in the table; who comes at the same time, in the window. A task that
    -- needs nothing has a row without a resource.
    need AS MATERIALIZED (
        SELECT one.*,
               CASE WHEN exclusive
                   THEN row_number() OVER line = 1
                        AND (SELECT 1 FROM task_need WHERE task_need.resource = one.resource LIMIT 1) IS NULL
                   ELSE NOT bool_or(exclusive) OVER line
                        AND (SELECT 1 FROM task_need
                             WHERE task_need.alone = one.resource LIMIT 1) IS NULL
               END AS granted
        FROM (SELECT * FROM arrived LEFT JOIN LATERAL (
                  SELECT unnest(alone) AS resource, true AS exclusive
                  UNION ALL SELECT unnest(together), false) AS each ON true) AS one
        WINDOW line AS (PARTITION BY resource ORDER BY position)),
    joined AS (
        INSERT INTO task_need (resource, position, exclusive, granted)
        SELECT resource, position, exclusive, granted FROM need WHERE resource IS NOT NULL),
    place AS (
        INSERT INTO task_place (position, task_id, name, exclusive, shared, missing) OVERRIDING SYSTEM VALUE
        SELECT position, task_id, name, alone, together, count(*) FILTER (WHERE NOT granted)
        FROM need GROUP BY position, task_id, name, alone, together
        RETURNING position, task_id, name, missing)
    INSERT INTO task_ready (task_id, name) SELECT task_id, name FROM place WHERE missing = 0 ORDER BY position;
    GET DIAGNOSTICS ready = ROW_COUNT;
    RETURN ready;
END $$;
