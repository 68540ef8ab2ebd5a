-- Returns who the coordinator is, and which heartbeat it has sent; it sends one by calling this. The worker
-- that calls becomes it if there is none alive, or if the heartbeat is still the one that it has seen for too
-- long (p_still; null: none is).
CREATE OR REPLACE FUNCTION elect_coordinator(p_worker uuid, p_still bigint) RETURNS SETOF coordinator
LANGUAGE sql AS $$
    -- A heartbeat is not worth a disk flush.
    SELECT set_config('synchronous_commit', 'off', true);
    -- Of two that want to replace the same one, the second finds another row than it has read.
    UPDATE coordinator SET process_id = p_worker, beat = coordinator.beat + 1
        FROM (SELECT * FROM coordinator) AS present
        WHERE coordinator.process_id IS NOT DISTINCT FROM present.process_id
            AND coordinator.beat = present.beat
            AND (present.process_id = p_worker
                 OR (present.beat = p_still
                     OR NOT EXISTS (SELECT FROM process
                                    WHERE pulp_id = present.process_id AND gone_at IS NULL))
                    AND EXISTS (SELECT FROM process WHERE pulp_id = p_worker AND gone_at IS NULL));
    SELECT * FROM coordinator
$$;
