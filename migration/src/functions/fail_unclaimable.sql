-- Fails ready tasks of these names, unless a live worker knows them by now. Returns which.
CREATE OR REPLACE FUNCTION fail_unclaimable(p_names text[]) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    chosen uuid[];
    ended uuid[];
BEGIN
    -- The numbers of ready tasks are drawn while it is held: none is committed after a higher one, and
    -- missed.
    PERFORM pg_advisory_xact_lock(lock_queue(), 0);
    WITH taken AS (
        DELETE FROM task_ready WHERE number IN
            (SELECT number FROM task_ready WHERE name = ANY (p_names)
             ORDER BY number LIMIT 1000 FOR UPDATE SKIP LOCKED)
        RETURNING task_id)
    SELECT coalesce(array_agg(task_id), '{}') INTO chosen FROM taken;
    ended := coalesce(fail_unknown(chosen, NULL), '{}');
    INSERT INTO task_ready (task_id, name)
        SELECT pulp_id, name FROM task WHERE pulp_id = ANY (chosen) AND state = 'waiting';
    RETURN record_ended(ended);
END $$;
