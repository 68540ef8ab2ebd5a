-- Answers who the steward is, which beats by asking. The worker that asks becomes it if there is none alive,
-- or if the beat is still the one that it has seen for too long (p_still; null: none is).
CREATE OR REPLACE FUNCTION choose_steward(p_worker uuid, p_still bigint) RETURNS SETOF steward LANGUAGE plpgsql AS $$
DECLARE present steward;
BEGIN
    -- A beat is not worth a disk flush.
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT * INTO present FROM steward;
    IF present.process_id = p_worker THEN
        UPDATE steward SET beat = beat + 1 WHERE process_id = p_worker;
    ELSIF present.beat = p_still
        OR NOT EXISTS (SELECT FROM process WHERE pulp_id = present.process_id AND gone_at IS NULL)
    THEN
        UPDATE steward SET process_id = p_worker, beat = beat + 1
        WHERE process_id IS NOT DISTINCT FROM present.process_id AND beat = present.beat
            AND EXISTS (SELECT FROM process WHERE pulp_id = p_worker AND gone_at IS NULL);
    END IF;
    RETURN QUERY SELECT * FROM steward;
END $$;
