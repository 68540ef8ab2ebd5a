-- Takes the turn to move the queue on, until the end of the transaction. False if somebody waits for it
-- already, who will see all that is committed by now. There is a seat to wait on for each purpose, as one
-- does not do all that another does.
CREATE OR REPLACE FUNCTION take_turn(p_seat integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF pg_try_advisory_xact_lock(lock_queue(), 0) THEN RETURN true; END IF;
    -- Not until the end of the transaction: with its turn a caller stops waiting, and what is committed from
    -- then on is for the next.
    IF NOT pg_try_advisory_lock(lock_turn(), p_seat) THEN RETURN false; END IF;
    BEGIN
        PERFORM pg_advisory_xact_lock(lock_queue(), 0);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        PERFORM pg_advisory_unlock(lock_turn(), p_seat);
        RAISE;
    END;
    PERFORM pg_advisory_unlock(lock_turn(), p_seat);
    RETURN true;
END $$;
