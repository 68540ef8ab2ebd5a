-- Takes the lock of the queue, until the end of the transaction. False if another session waits for it
-- already, which will see all that is committed by now. One session waits for each purpose, as one does not
-- do all that another does. If a thousand waited, they would all look for deadlocks, and hold up every lock
-- of the server while they do.
CREATE OR REPLACE FUNCTION acquire_queue(p_purpose integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF pg_try_advisory_xact_lock(lock_queue(), 0) THEN RETURN true; END IF;
    -- Not until the end of the transaction: with its turn a caller stops waiting, and what is committed from
    -- then on is for the next.
    IF NOT pg_try_advisory_lock(lock_turn(), p_purpose) THEN RETURN false; END IF;
    BEGIN
        PERFORM pg_advisory_xact_lock(lock_queue(), 0);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        PERFORM pg_advisory_unlock(lock_turn(), p_purpose);
        RAISE;
    END;
    PERFORM pg_advisory_unlock(lock_turn(), p_purpose);
    RETURN true;
END $$;
