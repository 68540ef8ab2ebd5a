-- Ends a task as finish_and_claim() does. If there is no other one, the worker is among the sleepers with the
-- same commit, at that place: whoever dispatches a task because this one has ended wakes this worker, which
-- is awake, and not one that has slept for long. The worker has to look once more.
CREATE OR REPLACE FUNCTION finish_and_go_on(p_task uuid, p_worker uuid, p_token uuid, p_state text, p_error jsonb,
    p_next_token uuid, p_names text[],
    OUT final text, OUT claimed boolean, OUT refusal text, OUT task_id uuid, OUT more boolean, OUT name text,
    OUT logging_cid text, OUT args jsonb, OUT domain uuid, OUT task_group uuid, OUT created_by integer,
    OUT place bigint)
LANGUAGE plpgsql AS $$
BEGIN
    SELECT f.* INTO final, claimed, refusal, task_id, more, name, logging_cid, args, domain, task_group, created_by
        FROM finish_and_claim(p_task, p_worker, p_token, p_state, p_error, p_next_token, p_names) AS f;
    IF refusal = 'idle' THEN
        INSERT INTO process_asleep (process_id) VALUES (p_worker) RETURNING number INTO place;
    END IF;
END $$;
