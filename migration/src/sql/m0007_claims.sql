-- Claims are found by an index that serves for nothing else.
--
-- With their states in the question, a planner who sees few unfinished tasks may take the index of all that are unfinished,
-- and pass the dead rows of all workers that an old transaction keeps. A row that has a worker and no end is claimed.

DROP INDEX task_on_worker;
CREATE INDEX task_on_worker ON task (worker_id, claim_token) WHERE worker_id IS NOT NULL AND finished_at IS NULL;

-- Makes the tasks of a process final that is not there any more. Answers which.
CREATE OR REPLACE FUNCTION end_tasks_of(p_worker uuid) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE ended uuid[];
BEGIN
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
    SELECT coalesce(array_agg(pulp_id), '{}') INTO ended FROM final;
    RETURN ended;
END $$;

-- Ends the tasks that run nowhere: their process is gone, or was never known.
CREATE OR REPLACE FUNCTION end_abandoned(p_epoch bigint) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    ended uuid[] := '{}';
    absent uuid;
BEGIN
    PERFORM set_config('lock_timeout', '1s', true);
    IF NOT still_leads(p_epoch) THEN RETURN NULL; END IF;
    FOR absent IN
        SELECT DISTINCT worker_id FROM task
        WHERE worker_id IS NOT NULL AND finished_at IS NULL
          AND NOT EXISTS (SELECT 1 FROM process WHERE process.pulp_id = worker_id AND gone_at IS NULL)
    LOOP
        ended := ended || end_tasks_of(absent);
    END LOOP;
    RETURN ended;
END $$;

-- Claims one ready task of these names. `claimed` says whether there was one; it is this worker's by this token then, and
-- the same when the call is repeated. `refusal` is gone, busy or idle; `more` says that another task is ready.
CREATE OR REPLACE FUNCTION claim_ready(p_worker uuid, p_token uuid, p_names text[], p_wait boolean,
    OUT claimed boolean, OUT refusal text, OUT task_id uuid, OUT more boolean, OUT name text, OUT logging_cid text,
    OUT args jsonb, OUT domain uuid, OUT task_group uuid, OUT created_by integer)
LANGUAGE plpgsql AS $$
DECLARE
    floor bigint;
    found_number bigint;
    found_since timestamptz;
BEGIN
    claimed := false;
    more := false;
    -- An earlier attempt may still be at work in a session that was cut.
    PERFORM pg_advisory_xact_lock(20562, hashtext(p_worker::text));
    IF p_wait THEN
        PERFORM pg_advisory_xact_lock_shared(20567, hashtext(p_worker::text));
    ELSIF NOT pg_try_advisory_xact_lock_shared(20567, hashtext(p_worker::text)) THEN
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
    floor := drawn('task_ready_floor');
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
        -- Canceled while it was ready: its notice lets it go.
        task_id := NULL;
    END LOOP;
    SELECT true INTO more FROM task_ready AS r WHERE r.number > floor AND r.name = ANY (p_names) AND r.xmax = 0
        ORDER BY r.number LIMIT 1;
    more := coalesce(more, false);
END $$;
