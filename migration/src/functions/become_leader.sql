-- Becomes the leader: no claim of an older epoch commits after this. NULL if another process was quicker,
-- that is if the epoch is not the one that was read after taking the lease.
CREATE OR REPLACE FUNCTION become_leader(p_process uuid, p_name text, p_versions jsonb, p_expected bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE grown bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(lock_leader(), 0);
    UPDATE leader SET epoch = epoch + 1, process_id = p_process, since = clock_timestamp()
        WHERE epoch = p_expected RETURNING epoch INTO grown;
    IF grown IS NULL THEN RETURN NULL; END IF;
    UPDATE process SET gone_at = clock_timestamp(), pulp_last_updated = clock_timestamp()
        WHERE kind = 'resource-manager' AND gone_at IS NULL;
    INSERT INTO process (pulp_id, kind, name, versions)
        VALUES (p_process, 'resource-manager', p_name, p_versions);
    INSERT INTO process_beat (process_id) VALUES (p_process);
    RETURN grown;
END $$;
