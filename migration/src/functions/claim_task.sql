-- Claims a waiting task. `claimed` says whether it is this worker's now, by this token: repeating a call
-- whose answer was lost gives the same answer. `refusal` says why not: epoch, gone, busy, or the state of the
-- task.
CREATE OR REPLACE FUNCTION claim_task(p_task uuid, p_worker uuid, p_token uuid, p_epoch bigint, p_unblocked timestamptz,
    OUT claimed boolean, OUT refusal text, OUT name text, OUT logging_cid text, OUT args jsonb,
    OUT domain uuid, OUT task_group uuid, OUT created_by integer)
LANGUAGE plpgsql AS $$
BEGIN
    SELECT c.* INTO claimed, refusal, name, logging_cid, args, domain, task_group, created_by
        FROM take_task(p_task, p_worker, p_token, p_unblocked, refuse_claim(p_worker, p_epoch, true)) AS c;
END $$;
