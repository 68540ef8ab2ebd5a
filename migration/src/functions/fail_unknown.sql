-- Fails waiting tasks that no live process knows. What a server knows and no worker waits: the workers are
-- older, and newer ones will come. Returns which; NULL if p_epoch is not the leader's.
CREATE OR REPLACE FUNCTION fail_unknown(p_tasks uuid[], p_epoch bigint) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE ended uuid[];
BEGIN
    IF NOT still_leads(p_epoch) THEN RETURN NULL; END IF;
    WITH known AS (
        SELECT array_agg(DISTINCT one) AS names FROM process, unnest(tasks) AS one WHERE gone_at IS NULL),
    final AS (
        UPDATE task SET state = 'failed',
                        finished_at = clock_timestamp(), pulp_last_updated = clock_timestamp(),
                        error = jsonb_build_object(
                            'reason', 'No plugin of any worker has a task ' || name || '.')
            FROM known WHERE pulp_id = ANY (p_tasks) AND state = 'waiting' AND name <> ALL (known.names)
            RETURNING pulp_id)
    SELECT coalesce(array_agg(pulp_id), '{}') INTO ended FROM final;
    RETURN ended;
END $$;
