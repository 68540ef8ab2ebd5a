-- Wakes a sleeper if there is a notice or a ready task that nobody is about to take. Answers how many; null
-- if nobody is needed. Notices that a reader is about to take are that reader's to see to; if it fails, a
-- look finds them.
CREATE OR REPLACE FUNCTION wake_one() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE floor bigint := drawn('task_notice_floor');
BEGIN
    PERFORM 1 FROM task_notice WHERE number > floor - 50 AND xmax = 0 ORDER BY number LIMIT 1;
    IF NOT FOUND THEN
        floor := drawn('task_ready_floor');
        PERFORM 1 FROM task_ready WHERE number > floor AND xmax = 0 ORDER BY number LIMIT 1;
        IF NOT FOUND THEN RETURN NULL; END IF;
    END IF;
    RETURN wake(1);
END $$;
