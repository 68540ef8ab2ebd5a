-- Claims one ready task of these names. `claimed` says whether there was one; it is this worker's by this
-- token then, and the same when the call is repeated. `refusal` is gone, busy or idle; `more` says that
-- another task is ready.
CREATE OR REPLACE FUNCTION claim_ready(p_worker uuid, p_token uuid, p_names text[], p_wait boolean,
    OUT claimed boolean, OUT refusal text, OUT task_id uuid, OUT more boolean, OUT name text,
    OUT logging_cid text, OUT args jsonb, OUT domain uuid, OUT task_group uuid, OUT created_by integer)
LANGUAGE plpgsql AS $$
DECLARE
    floor bigint;
    found_number bigint;
    found_since timestamptz;
BEGIN
    claimed := false;
    more := false;
    -- An earlier attempt may still be at work in a session that was cut.
    PERFORM pg_advisory_xact_lock(lock_claim(), hashtext(p_worker::text));
    IF p_wait THEN
        PERFORM pg_advisory_xact_lock_shared(lock_worker(), hashtext(p_worker::text));
    ELSIF NOT pg_try_advisory_xact_lock_shared(lock_worker(), hashtext(p_worker::text)) THEN
        refusal := 'busy';
        RETURN;
    END IF;
    PERFORM 1 FROM process WHERE pulp_id = p_worker AND gone_at IS NULL;
    IF NOT FOUND THEN
        refusal := 'gone';
        RETURN;
    END IF;
    SELECT t.pulp_id INTO task_id FROM task AS t
        WHERE t.worker_id = p_worker AND t.claim_token = p_token AND t.finished_at IS NULL;
    floor := last_number('task_ready_floor');
    LOOP
        IF task_id IS NULL THEN
            SELECT r.number, r.task_id, r.since INTO found_number, task_id, found_since FROM task_ready AS r
                WHERE r.number > floor AND r.name = ANY (p_names)
                ORDER BY r.number LIMIT 1 FOR UPDATE SKIP LOCKED;
            IF NOT FOUND THEN
                refusal := 'idle';
                RETURN;
            END IF;
            DELETE FROM task_ready AS r WHERE r.number = found_number;
            floor := found_number;
        END IF;
        SELECT c.claimed, c.name, c.logging_cid, c.args, c.domain, c.task_group, c.created_by
            INTO claimed, name, logging_cid, args, domain, task_group, created_by
            FROM take_task(task_id, p_worker, p_token, found_since, NULL) AS c;
        EXIT WHEN claimed;
        -- Canceled while it was ready: its change releases it.
        task_id := NULL;
    END LOOP;
    SELECT true INTO more FROM task_ready AS r
        WHERE r.number > floor AND r.name = ANY (p_names) AND r.xmax = 0 ORDER BY r.number LIMIT 1;
    more := coalesce(more, false);
END $$;
