-- Ends a task, and claims the next one in the same commit if one is given. Whatever comes of the next, this
-- one ends. `final` is the state it has ended in: a cancel that came first wins. It is NULL if the task is
-- not this claim's.
CREATE OR REPLACE FUNCTION finish_task(p_task uuid, p_worker uuid, p_token uuid,
    p_state text, p_error jsonb, p_result jsonb, p_next uuid, p_next_token uuid, p_epoch bigint,
    p_unblocked timestamptz,
    OUT final text, OUT claimed boolean, OUT refusal text, OUT name text, OUT logging_cid text,
    OUT args jsonb, OUT domain uuid, OUT task_group uuid, OUT created_by integer)
LANGUAGE plpgsql AS $$
DECLARE ended task_state;
BEGIN
    claimed := false;
    IF p_next IS NOT NULL THEN refusal := refuse_claim(p_worker, p_epoch, false); END IF;
    UPDATE task SET state = CASE state WHEN 'canceling' THEN 'canceled' ELSE p_state::task_state END,
                    error = CASE state WHEN 'canceling' THEN NULL ELSE p_error END,
                    result = CASE state WHEN 'canceling' THEN NULL ELSE p_result END,
                    finished_at = clock_timestamp(), pulp_last_updated = clock_timestamp()
        WHERE pulp_id = p_task AND worker_id = p_worker AND claim_token = p_token
          AND state::text IN ('running', 'canceling')
        RETURNING state INTO ended;
    IF ended IS NOT NULL THEN
        UPDATE progress_report SET state = ended::text
            WHERE task_id = p_task AND progress_report.state IN ('waiting', 'running');
    ELSE
        SELECT state INTO ended FROM task WHERE pulp_id = p_task AND claim_token = p_token;
    END IF;
    final := ended::text;
    IF p_next IS NULL THEN RETURN; END IF;
    SELECT c.* INTO claimed, refusal, name, logging_cid, args, domain, task_group, created_by
        FROM take_task(p_next, p_worker, p_next_token, p_unblocked, refusal) AS c;
END $$;
