-- Ends a task, and claims another in the same commit if p_next_token is given. Whatever comes of that, this
-- one ends.
CREATE OR REPLACE FUNCTION finish_and_claim(p_task uuid, p_worker uuid, p_token uuid, p_state text, p_error jsonb,
    p_next_token uuid, p_names text[],
    OUT final text, OUT claimed boolean, OUT refusal text, OUT task_id uuid, OUT more boolean, OUT name text,
    OUT logging_cid text, OUT args jsonb, OUT domain uuid, OUT task_group uuid, OUT created_by integer)
LANGUAGE plpgsql AS $$
BEGIN
    claimed := false;
    more := false;
    IF p_next_token IS NOT NULL THEN PERFORM pg_advisory_xact_lock(lock_claim(), hashtext(p_worker::text)); END IF;
    SELECT f.final INTO final
        FROM finish_task(p_task, p_worker, p_token, p_state, p_error, NULL, NULL, NULL, NULL, NULL) AS f;
    IF final IS NOT NULL THEN INSERT INTO task_notice (task_id) VALUES (p_task); END IF;
    IF p_next_token IS NULL THEN RETURN; END IF;
    SELECT c.* INTO claimed, refusal, task_id, more, name, logging_cid, args, domain, task_group, created_by
        FROM claim_ready(p_worker, p_next_token, p_names, false) AS c;
END $$;
