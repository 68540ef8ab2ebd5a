-- Lowers the floor for a notice whose transaction took longer than those of many later ones. Passes all dead
-- rows.
CREATE OR REPLACE FUNCTION find_late_notices() RETURNS void LANGUAGE plpgsql AS $$
DECLARE first bigint;
BEGIN
    SELECT number INTO first FROM task_notice WHERE number <= drawn('task_notice_floor') - 50 ORDER BY number LIMIT 1;
    IF FOUND THEN PERFORM setval('task_notice_floor', first); END IF;
END $$;
