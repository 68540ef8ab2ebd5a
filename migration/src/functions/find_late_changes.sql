-- Lowers the floor for a change whose transaction took longer than those of many later ones. Passes all dead
-- rows.
CREATE OR REPLACE FUNCTION find_late_changes() RETURNS void LANGUAGE sql AS $$
    SELECT setval('task_change_floor', number) FROM (
        SELECT number FROM task_change WHERE number <= (SELECT last_number('task_change_floor')) - 50
        ORDER BY number LIMIT 1) AS oldest
$$;
