-- Whether a worker has reason to look: notices, or a ready task of these names. Finds notices whose
-- transaction took as long as hundreds of later ones, and lowers the floor for them; for the others it is
-- lowered by find_unnoticed().
CREATE OR REPLACE FUNCTION any_work(p_names text[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    floor bigint := drawn('task_notice_floor');
    first bigint;
BEGIN
    SELECT number INTO first FROM task_notice WHERE number > floor - 250 ORDER BY number LIMIT 1;
    IF first <= floor - 50 THEN PERFORM setval('task_notice_floor', first); END IF;
    floor := drawn('task_ready_floor');
    RETURN first IS NOT NULL OR EXISTS (SELECT 1 FROM task_ready WHERE number > floor AND name = ANY (p_names));
END $$;
