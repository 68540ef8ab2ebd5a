-- Declares a process missing whose heartbeat an observer has seen unchanged for its time to live. Returns
-- which tasks ended by that; NULL if the process lives, or if p_epoch is given and not the leader's. A row
-- that another session holds is not waited for: lock_timeout makes the call fail, to be repeated after the
-- holder's sessions are ended.
CREATE OR REPLACE FUNCTION declare_missing(p_process uuid, p_counter bigint, p_epoch bigint)
RETURNS uuid[] LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', '1s', true);
    IF NOT still_leads(p_epoch) THEN RETURN NULL; END IF;
    PERFORM pg_advisory_xact_lock(lock_worker(), hashtext(p_process::text));
    PERFORM 1 FROM process_beat WHERE process_id = p_process AND counter <> p_counter;
    IF FOUND THEN RETURN NULL; END IF;
    UPDATE process SET gone_at = clock_timestamp(), pulp_last_updated = clock_timestamp()
        WHERE pulp_id = p_process AND gone_at IS NULL;
    RETURN end_tasks_of(p_process);
END $$;
