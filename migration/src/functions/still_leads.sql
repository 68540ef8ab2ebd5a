-- Whether p_epoch is the leader's, and stays so until the end of the transaction; a caller who is no leader
-- gives none.
CREATE OR REPLACE FUNCTION still_leads(p_epoch bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF p_epoch IS NULL THEN RETURN true; END IF;
    PERFORM pg_advisory_xact_lock_shared(lock_leader(), 0);
    PERFORM 1 FROM leader WHERE epoch = p_epoch;
    RETURN FOUND;
END $$;
