-- Makes the tasks of a process final that is missing. Returns which.
CREATE OR REPLACE FUNCTION end_tasks_of(p_worker uuid) RETURNS uuid[] LANGUAGE sql AS $$
    WITH final AS (
        UPDATE task SET state = CASE state WHEN 'canceling' THEN 'canceled'::task_state ELSE 'failed' END,
                        error = CASE state WHEN 'canceling' THEN NULL
                                ELSE '{"reason": "Worker has gone missing."}'::jsonb END,
                        finished_at = clock_timestamp(), pulp_last_updated = clock_timestamp()
            WHERE worker_id = p_worker AND finished_at IS NULL
            RETURNING pulp_id, state),
    reports AS (
        UPDATE progress_report SET state = final.state::text FROM final
            WHERE task_id = final.pulp_id AND progress_report.state IN ('waiting', 'running'))
    SELECT coalesce(array_agg(pulp_id), '{}') FROM final
$$;
