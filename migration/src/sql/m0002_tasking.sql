-- Tasks and the processes that run them. Postgres is the truth; Redis is an index of these rows.

CREATE TYPE task_state AS ENUM
    ('waiting', 'skipped', 'running', 'completed', 'failed', 'canceled', 'canceling');

-- A process of Pulp, known by the UUID it drew at its start; `name` is its label.
CREATE TABLE process (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL CHECK (kind IN ('api', 'content', 'worker', 'resource-manager')),
    name text NOT NULL,
    versions jsonb NOT NULL DEFAULT '{}',
    -- The names of the tasks that it can run, or that a server may dispatch.
    tasks text[] NOT NULL DEFAULT '{}',
    -- Set once, by whoever gives the process up, or by itself when it stops. Nothing it does counts afterwards.
    gone_at timestamptz
);
CREATE UNIQUE INDEX process_alive ON process (kind, name) WHERE gone_at IS NULL;

-- Its own narrow table, because it is written all the time.
CREATE TABLE process_beat (
    process_id uuid PRIMARY KEY REFERENCES process ON DELETE CASCADE,
    counter bigint NOT NULL DEFAULT 0,
    last_heartbeat timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- One row: which leader's assignments count. The epoch only grows.
CREATE TABLE leader (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    epoch bigint NOT NULL DEFAULT 0,
    process_id uuid,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO leader DEFAULT VALUES;

CREATE TABLE task_group (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    description text NOT NULL,
    all_tasks_dispatched boolean NOT NULL DEFAULT false
);

CREATE TABLE task (
    pulp_id uuid PRIMARY KEY,
    -- The order of dispatch. Drawn before the commit, so a lower number can appear later than a higher one.
    seq bigint GENERATED ALWAYS AS IDENTITY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    state task_state NOT NULL DEFAULT 'waiting',
    name text NOT NULL,
    logging_cid text NOT NULL DEFAULT '',
    args jsonb NOT NULL DEFAULT '{}',
    exclusive_resources text[] NOT NULL DEFAULT '{}',
    shared_resources text[] NOT NULL DEFAULT '{}',
    unblocked_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    error jsonb,
    result jsonb,
    -- Who runs it, and the token of the claim: every write of the task is fenced by both.
    worker_id uuid,
    claim_token uuid,
    parent_task_id uuid REFERENCES task ON DELETE SET NULL,
    task_group_id uuid REFERENCES task_group ON DELETE SET NULL,
    created_by integer REFERENCES auth_user ON DELETE SET NULL,
    CHECK ((claim_token IS NULL) = (worker_id IS NULL))
);
CREATE UNIQUE INDEX task_by_seq ON task (seq);
CREATE INDEX task_unfinished ON task (seq) WHERE state IN ('waiting', 'running', 'canceling');
-- By its token a claim is found among the dead rows of a worker that has run many tasks.
CREATE INDEX task_on_worker ON task (worker_id, claim_token) WHERE state IN ('running', 'canceling');
CREATE INDEX task_by_creation ON task (pulp_domain_id, pulp_created DESC, pulp_id);
-- Who looks for one task by its id compares `state::text`: with the state itself a plan that was made while few tasks were
-- unfinished would look for it in that index, among all that are.
-- No index leads with the state: a plan made while the table was small would look for one task among all that wait.
CREATE INDEX task_finished ON task (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX task_by_parent ON task (parent_task_id) WHERE parent_task_id IS NOT NULL;
CREATE INDEX task_by_group ON task (task_group_id) WHERE task_group_id IS NOT NULL;
CREATE INDEX task_by_cid ON task (logging_cid);

CREATE TABLE progress_report (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    task_id uuid NOT NULL REFERENCES task ON DELETE CASCADE,
    message text NOT NULL,
    code text NOT NULL,
    state text NOT NULL,
    total bigint,
    done bigint NOT NULL DEFAULT 0,
    suffix text
);
CREATE INDEX progress_report_by_task ON progress_report (task_id);

CREATE TABLE group_progress_report (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    task_group_id uuid NOT NULL REFERENCES task_group ON DELETE CASCADE,
    message text NOT NULL,
    code text NOT NULL,
    total bigint,
    done bigint NOT NULL DEFAULT 0,
    suffix text,
    UNIQUE (task_group_id, code)
);

-- What a task made, in order. href and prn become null when the object goes (T09).
CREATE TABLE created_resource (
    task_id uuid NOT NULL REFERENCES task ON DELETE CASCADE,
    position integer NOT NULL,
    object_id uuid,
    href text,
    prn text,
    PRIMARY KEY (task_id, position)
);
CREATE INDEX created_resource_by_object ON created_resource (object_id) WHERE object_id IS NOT NULL;

CREATE FUNCTION forget_created_resource() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE created_resource SET object_id = NULL, href = NULL, prn = NULL
    FROM gone WHERE created_resource.object_id = gone.pulp_id;
    RETURN NULL;
END $$;

DO $$
DECLARE kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['artifact', 'content', 'repository', 'repository_version', 'remote',
                                'publication', 'distribution', 'task_group']
    LOOP
        EXECUTE format(
            'CREATE TRIGGER forget_created_resource AFTER DELETE ON %I REFERENCING OLD TABLE AS gone
             FOR EACH STATEMENT EXECUTE FUNCTION forget_created_resource()', kept);
    END LOOP;
END $$;

-- The steps of a task's life that more than one process takes part in. Locks are taken in one order everywhere:
-- leader, worker (advisory: 20556, and 20567 with the hash of the worker), process, task.

-- Becomes the leader: nobody's claim of an older epoch commits after this. NULL if somebody else was quicker, that is
-- if the epoch is not the one that was read after taking the lease.
CREATE FUNCTION become_leader(p_process uuid, p_name text, p_versions jsonb, p_expected bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE grown bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(20556, 0);
    UPDATE leader SET epoch = epoch + 1, process_id = p_process, since = clock_timestamp()
        WHERE epoch = p_expected RETURNING epoch INTO grown;
    IF grown IS NULL THEN RETURN NULL; END IF;
    UPDATE process SET gone_at = clock_timestamp(), pulp_last_updated = clock_timestamp()
        WHERE kind = 'resource-manager' AND gone_at IS NULL;
    INSERT INTO process (pulp_id, kind, name, versions) VALUES (p_process, 'resource-manager', p_name, p_versions);
    INSERT INTO process_beat (process_id) VALUES (p_process);
    RETURN grown;
END $$;

-- Takes the locks of a claim: the leader's and the worker's, both shared and in memory only. Answers why the worker may
-- not claim, or NULL if it may. Without p_wait a lock that somebody holds is an answer, too.
CREATE FUNCTION refuse_claim(p_worker uuid, p_epoch bigint, p_wait boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF p_wait THEN
        PERFORM pg_advisory_xact_lock_shared(20556, 0);
        PERFORM pg_advisory_xact_lock_shared(20567, hashtext(p_worker::text));
    ELSIF NOT pg_try_advisory_xact_lock_shared(20556, 0)
          OR NOT pg_try_advisory_xact_lock_shared(20567, hashtext(p_worker::text)) THEN
        RETURN 'busy';
    END IF;
    PERFORM 1 FROM leader WHERE epoch = p_epoch;
    IF NOT FOUND THEN RETURN 'epoch'; END IF;
    PERFORM 1 FROM process WHERE pulp_id = p_worker AND gone_at IS NULL;
    IF NOT FOUND THEN RETURN 'gone'; END IF;
    RETURN NULL;
END $$;

-- The part of a claim after its locks are held, or refused with p_refusal.
CREATE FUNCTION take_task(p_task uuid, p_worker uuid, p_token uuid, p_unblocked timestamptz, p_refusal text,
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

-- Claims a waiting task. `claimed` says whether it is this worker's now, by this token: repeating a call whose answer
-- was lost gives the same answer. `refusal` says why not: epoch, gone, busy, or the state of the task.
CREATE FUNCTION claim_task(p_task uuid, p_worker uuid, p_token uuid, p_epoch bigint, p_unblocked timestamptz,
    OUT claimed boolean, OUT refusal text, OUT name text, OUT logging_cid text, OUT args jsonb,
    OUT domain uuid, OUT task_group uuid, OUT created_by integer)
LANGUAGE plpgsql AS $$
BEGIN
    SELECT c.* INTO claimed, refusal, name, logging_cid, args, domain, task_group, created_by
        FROM take_task(p_task, p_worker, p_token, p_unblocked, refuse_claim(p_worker, p_epoch, true)) AS c;
END $$;

-- Ends a task, and claims the next one in the same commit if one is given. Whatever comes of the next, this one ends.
-- `final` is the state it has ended in: a cancel that came first wins. It is NULL if the task is not this claim's.
CREATE FUNCTION finish_task(p_task uuid, p_worker uuid, p_token uuid, p_state text, p_error jsonb, p_result jsonb,
    p_next uuid, p_next_token uuid, p_epoch bigint, p_unblocked timestamptz,
    OUT final text, OUT claimed boolean, OUT refusal text, OUT name text, OUT logging_cid text, OUT args jsonb,
    OUT domain uuid, OUT task_group uuid, OUT created_by integer)
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

-- Makes the tasks of a process final that is not there any more. Answers which.
CREATE FUNCTION end_tasks_of(p_worker uuid) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE ended uuid[];
BEGIN
    WITH final AS (
        UPDATE task SET state = CASE state WHEN 'canceling' THEN 'canceled'::task_state ELSE 'failed' END,
                        error = CASE state WHEN 'canceling' THEN NULL
                                ELSE '{"reason": "Worker has gone missing."}'::jsonb END,
                        finished_at = clock_timestamp(), pulp_last_updated = clock_timestamp()
            WHERE worker_id = p_worker AND state IN ('running', 'canceling')
            RETURNING pulp_id, state),
    reports AS (
        UPDATE progress_report SET state = final.state::text FROM final
            WHERE task_id = final.pulp_id AND progress_report.state IN ('waiting', 'running'))
    SELECT coalesce(array_agg(pulp_id), '{}') INTO ended FROM final;
    RETURN ended;
END $$;

-- Whether p_epoch is the leader's, and stays so until the end of the transaction; a caller who is no leader gives none.
CREATE FUNCTION still_leads(p_epoch bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF p_epoch IS NULL THEN RETURN true; END IF;
    PERFORM pg_advisory_xact_lock_shared(20556, 0);
    PERFORM 1 FROM leader WHERE epoch = p_epoch;
    RETURN FOUND;
END $$;

-- Gives a process up whose beat counter an observer has seen unchanged for its time to live. Answers which tasks ended
-- by that; NULL if the process lives, or if p_epoch is given and not the leader's. A row that somebody holds is not
-- waited for: lock_timeout makes the call fail, to be repeated after the holder's sessions are ended.
CREATE FUNCTION give_up(p_process uuid, p_counter bigint, p_epoch bigint) RETURNS uuid[] LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', '1s', true);
    IF NOT still_leads(p_epoch) THEN RETURN NULL; END IF;
    PERFORM pg_advisory_xact_lock(20567, hashtext(p_process::text));
    PERFORM 1 FROM process_beat WHERE process_id = p_process AND counter <> p_counter;
    IF FOUND THEN RETURN NULL; END IF;
    UPDATE process SET gone_at = clock_timestamp(), pulp_last_updated = clock_timestamp()
        WHERE pulp_id = p_process AND gone_at IS NULL;
    RETURN end_tasks_of(p_process);
END $$;

-- Ends the tasks that run nowhere: their process is gone, or was never known.
CREATE FUNCTION end_abandoned(p_epoch bigint) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    ended uuid[] := '{}';
    absent uuid;
BEGIN
    PERFORM set_config('lock_timeout', '1s', true);
    IF NOT still_leads(p_epoch) THEN RETURN NULL; END IF;
    FOR absent IN
        SELECT DISTINCT worker_id FROM task
        WHERE state IN ('running', 'canceling') AND worker_id IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM process WHERE process.pulp_id = worker_id AND gone_at IS NULL)
    LOOP
        ended := ended || end_tasks_of(absent);
    END LOOP;
    RETURN ended;
END $$;

-- Ends waiting tasks that no live process knows. What a server knows and no worker waits: the workers are older, and
-- newer ones will come. Answers which; NULL if p_epoch is not the leader's.
CREATE FUNCTION fail_unknown(p_tasks uuid[], p_epoch bigint) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE ended uuid[];
BEGIN
    IF NOT still_leads(p_epoch) THEN RETURN NULL; END IF;
    WITH known AS (
        SELECT array_agg(DISTINCT one) AS names FROM process, unnest(tasks) AS one WHERE gone_at IS NULL),
    final AS (
        UPDATE task SET state = 'failed', finished_at = clock_timestamp(), pulp_last_updated = clock_timestamp(),
                        error = jsonb_build_object('reason', 'No plugin of any worker has a task ' || name || '.')
            FROM known WHERE pulp_id = ANY (p_tasks) AND state = 'waiting' AND name <> ALL (known.names)
            RETURNING pulp_id)
    SELECT coalesce(array_agg(pulp_id), '{}') INTO ended FROM final;
    RETURN ended;
END $$;
