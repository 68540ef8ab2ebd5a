-- Takes the locks of a claim: the leader's and the worker's, both shared and in memory only. Returns why the
-- worker may not claim, or NULL if it may. Without p_wait a lock that is held is a reason, too.
CREATE OR REPLACE FUNCTION refuse_claim(p_worker uuid, p_epoch bigint, p_wait boolean)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF p_wait THEN
        PERFORM pg_advisory_xact_lock_shared(lock_leader(), 0);
        PERFORM pg_advisory_xact_lock_shared(lock_worker(), hashtext(p_worker::text));
    ELSIF NOT pg_try_advisory_xact_lock_shared(lock_leader(), 0)
          OR NOT pg_try_advisory_xact_lock_shared(lock_worker(), hashtext(p_worker::text)) THEN
        RETURN 'busy';
    END IF;
    PERFORM 1 FROM leader WHERE epoch = p_epoch;
    IF NOT FOUND THEN RETURN 'epoch'; END IF;
    PERFORM 1 FROM process WHERE pulp_id = p_worker AND gone_at IS NULL;
    IF NOT FOUND THEN RETURN 'gone'; END IF;
    RETURN NULL;
END $$;
