-- Ends a task, and claims another one in the same commit if p_next_token is given. Whatever comes of that,
-- this one ends. If no other one is ready, the worker is among the idle ones with the same commit, as number
-- `place`: a dispatch that follows the end of this task wakes this worker, which is awake, and not one that
-- has been idle for long. The worker has to look once more.
CREATE OR REPLACE FUNCTION finish_and_claim(p_task uuid, p_worker uuid, p_token uuid,
    p_state text, p_error jsonb, p_next_token uuid, p_names text[],
    OUT final text, OUT claimed boolean, OUT refusal text, OUT task_id uuid, OUT more boolean, OUT name text,
    OUT logging_cid text, OUT args jsonb, OUT domain uuid, OUT task_group uuid, OUT created_by integer,
    OUT place bigint)
LANGUAGE plpgsql AS $$
BEGIN
    claimed := false;
    more := false;
    IF p_next_token IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(lock_claim(), hashtext(p_worker::text));
    END IF;
    SELECT f.final INTO final
        FROM finish_task(p_task, p_worker, p_token, p_state, p_error, NULL, NULL, NULL, NULL, NULL) AS f;
    IF final IS NOT NULL THEN INSERT INTO task_change (task_id) VALUES (p_task); END IF;
    IF p_next_token IS NULL THEN RETURN; END IF;
    SELECT c.* INTO claimed, refusal, task_id, more, name, logging_cid, args, domain, task_group, created_by
        FROM claim_ready(p_worker, p_next_token, p_names, false) AS c;
    IF refusal = 'idle' THEN
        INSERT INTO idle_worker (process_id) VALUES (p_worker) RETURNING number INTO place;
    END IF;
END $$;
