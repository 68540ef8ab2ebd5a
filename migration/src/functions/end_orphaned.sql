-- Ends the tasks that run nowhere: their process is gone, or was never known. Returns which; NULL if p_epoch
-- is given and not the leader's.
CREATE OR REPLACE FUNCTION end_orphaned(p_epoch bigint) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    ended uuid[] := '{}';
    absent uuid;
BEGIN
    PERFORM set_config('lock_timeout', '1s', true);
    IF NOT still_leads(p_epoch) THEN RETURN NULL; END IF;
    FOR absent IN
        SELECT DISTINCT worker_id FROM task
        WHERE worker_id IS NOT NULL AND finished_at IS NULL
          AND NOT EXISTS (SELECT 1 FROM process WHERE process.pulp_id = worker_id AND gone_at IS NULL)
    LOOP
        ended := ended || end_tasks_of(absent);
    END LOOP;
    RETURN ended;
END $$;
