-- The part of a claim after its locks are held, or refused with p_refusal.
CREATE OR REPLACE FUNCTION take_task(p_task uuid, p_worker uuid, p_token uuid, p_unblocked timestamptz,
    p_refusal text,
    OUT claimed boolean, OUT refusal text, OUT name text, OUT logging_cid text, OUT args jsonb,
    OUT domain uuid, OUT task_group uuid, OUT created_by integer)
LANGUAGE plpgsql AS $$
DECLARE t task%ROWTYPE;
BEGIN
    IF p_refusal IS NULL THEN
        UPDATE task SET state = 'running', worker_id = p_worker, claim_token = p_token,
                        unblocked_at = p_unblocked, started_at = clock_timestamp(),
                        pulp_last_updated = clock_timestamp()
            WHERE pulp_id = p_task AND state::text = 'waiting' RETURNING * INTO t;
    END IF;
    claimed := t.pulp_id IS NOT NULL;
    IF NOT claimed THEN
        SELECT * INTO t FROM task WHERE pulp_id = p_task;
        claimed := coalesce(t.claim_token = p_token AND t.state IN ('running', 'canceling'), false);
        IF NOT claimed THEN
            refusal := coalesce(p_refusal, t.state::text, 'unknown');
            RETURN;
        END IF;
    END IF;
    name := t.name; logging_cid := t.logging_cid; args := t.args; domain := t.pulp_domain_id;
    task_group := t.task_group_id; created_by := t.created_by;
END $$;
