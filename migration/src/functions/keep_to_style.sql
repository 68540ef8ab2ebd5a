-- Hands the tasks over when the first worker of the other style registers, and refuses it while one of this
-- style lives.
CREATE OR REPLACE FUNCTION keep_to_style() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    present text;
    alive text;
BEGIN
    SELECT style INTO present FROM tasking_style FOR UPDATE;
    IF present = NEW.style THEN RETURN NEW; END IF;
    SELECT string_agg(name, ', ' ORDER BY name) INTO alive FROM process
        WHERE kind IN ('worker', 'resource-manager') AND gone_at IS NULL AND style <> NEW.style;
    IF alive IS NOT NULL THEN
        RAISE EXCEPTION 'workers of the other style of tasking are alive: %', alive USING ERRCODE = 'PT001';
    END IF;
    UPDATE tasking_style SET style = NEW.style, since = clock_timestamp();
    PERFORM pg_advisory_xact_lock(lock_queue(), 0);
    DELETE FROM task_notice;
    DELETE FROM task_ready;
    DELETE FROM task_need;
    DELETE FROM task_place;
    DELETE FROM process_asleep;
    IF NEW.style = 'postgres' THEN
        PERFORM end_abandoned(NULL);
        INSERT INTO task_notice (task_id) SELECT pulp_id FROM task WHERE state = 'waiting' ORDER BY seq;
    END IF;
    RETURN NEW;
END $$;
