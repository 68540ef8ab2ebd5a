-- Whether a worker has reason to look: changes, or a ready task of these names. Finds changes whose
-- transaction took as long as those of hundreds of later ones, and lowers the floor for them; for the others
-- it is lowered by find_missed_changes().
CREATE OR REPLACE FUNCTION any_work(p_names text[]) RETURNS boolean LANGUAGE sql AS $$
    WITH oldest AS MATERIALIZED (
        SELECT number FROM task_change WHERE number > (SELECT last_number('task_change_floor')) - 250
        ORDER BY number LIMIT 1),
    lowered AS MATERIALIZED (
        SELECT setval('task_change_floor', number) FROM oldest
        WHERE number <= (SELECT last_number('task_change_floor')) - 50)
    SELECT (SELECT count(*) FROM lowered) > 0
        OR EXISTS (SELECT FROM oldest)
        OR EXISTS (SELECT FROM task_ready WHERE number > (SELECT last_number('task_ready_floor'))
                                            AND name = ANY (p_names))
$$;
