-- Hands the tasks over when the first worker of the other style registers, and refuses to while one of this
-- style lives.
CREATE OR REPLACE FUNCTION enforce_style() RETURNS trigger LANGUAGE plpgsql AS $$
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
    DELETE FROM task_change;
    DELETE FROM task_ready;
    DELETE FROM task_lock;
    DELETE FROM task_admitted;
    DELETE FROM idle_worker;
    IF NEW.style = 'postgres' THEN
        PERFORM end_orphaned(NULL);
        INSERT INTO task_change (task_id) SELECT pulp_id FROM task WHERE state = 'waiting' ORDER BY seq;
    END IF;
    RETURN NEW;
END $$;
