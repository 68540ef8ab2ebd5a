-- The queue in rows moves on by sets of tasks instead of one after the other, and a worker that looks for work leaves the
-- sleepers with the same call if there is some.

DROP FUNCTION admit_task(uuid, text, text[], text[]);
DROP FUNCTION release_task(uuid);
DROP FUNCTION leave_line(bigint, bigint);
DROP FUNCTION grant_need(bigint, bigint);

-- Lets tasks that are final go from all their lines, and grants what only they were in the way of. Answers how many tasks
-- became ready.
CREATE FUNCTION release_tasks(p_tasks uuid[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    -- The lines in which others may get on, and of each: whether something that was granted went; whether that had the
    -- resource alone; after which place to look for the next; the first that went and needed the resource alone.
    lines bigint[];
    were_granted boolean[];
    were_heads boolean[];
    starts bigint[];
    firsts bigint[];
    follower_lines bigint[];
    followers bigint[];
    ready integer;
BEGIN
    WITH place AS (
        DELETE FROM task_place WHERE task_id = ANY (p_tasks) RETURNING position, exclusive || shared AS needs),
    left_line AS (SELECT position, unnest(needs) AS resource FROM place),
    gone AS (
        DELETE FROM task_need AS need USING left_line
        WHERE need.resource = left_line.resource AND need.position = left_line.position
        RETURNING need.resource, need.position, need.exclusive, need.granted),
    line AS (
        SELECT resource, bool_or(granted) AS was_granted, bool_or(granted AND exclusive) AS was_head,
               min(position) AS lowest, min(position) FILTER (WHERE exclusive) AS first_exclusive
        FROM gone GROUP BY resource)
    SELECT array_agg(resource), array_agg(was_granted), array_agg(was_head),
           array_agg(CASE WHEN was_granted THEN lowest ELSE first_exclusive END), array_agg(first_exclusive)
        INTO lines, were_granted, were_heads, starts, firsts FROM line
        -- Whoever shares and waited was in nobody's way.
        WHERE was_granted OR first_exclusive IS NOT NULL;
    IF lines IS NULL THEN RETURN 0; END IF;

    WITH line AS (
        SELECT one.*, (SELECT need.position FROM task_need AS need
                       WHERE need.resource = one.resource AND need.exclusive AND need.position > one.start
                       ORDER BY need.position LIMIT 1) AS next_exclusive
        FROM unnest(lines, were_granted, were_heads, starts, firsts)
             AS one (resource, was_granted, was_head, start, first_exclusive)
        -- Behind one that waits and needs the resource alone nothing changes; there is none before what was granted.
        WHERE one.was_granted OR (SELECT 1 FROM task_need AS need
                                  WHERE need.resource = one.resource AND need.exclusive AND need.position < one.start
                                  LIMIT 1) IS NULL),
    follower AS (
        SELECT need.resource, need.position FROM line JOIN task_need AS need
            ON need.resource = line.resource AND need.position > line.first_exclusive
               AND (line.next_exclusive IS NULL OR need.position < line.next_exclusive)
        WHERE NOT need.granted
        UNION ALL
        SELECT line.resource, line.next_exclusive FROM line
        WHERE line.next_exclusive IS NOT NULL
          AND (SELECT 1 FROM task_need AS need
               WHERE need.resource = line.resource AND need.position < line.next_exclusive
                 AND need.position > CASE WHEN line.was_head THEN line.start ELSE 0 END LIMIT 1) IS NULL)
    SELECT array_agg(resource), array_agg(position) INTO follower_lines, followers FROM follower;
    IF followers IS NULL THEN RETURN 0; END IF;

    WITH follower AS (
        UPDATE task_need AS need SET granted = true
        FROM unnest(follower_lines, followers) AS one (resource, position)
        WHERE need.resource = one.resource AND need.position = one.position RETURNING need.position),
    place AS (
        UPDATE task_place SET missing = missing - one.grants
        FROM (SELECT position, count(*) AS grants FROM follower GROUP BY position) AS one
        WHERE task_place.position = one.position RETURNING task_place.position, task_id, name, missing)
    INSERT INTO task_ready (task_id, name) SELECT task_id, name FROM place WHERE missing = 0 ORDER BY position;
    GET DIAGNOSTICS ready = ROW_COUNT;
    RETURN ready;
END $$;

-- Puts waiting tasks at the end of the lines of what they need, in the order of dispatch. Answers how many are ready.
CREATE FUNCTION admit_tasks(p_tasks uuid[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE ready integer;
BEGIN
    WITH arrived AS MATERIALIZED (
        SELECT nextval('task_place_position_seq') AS position, one.* FROM (
            SELECT task.pulp_id AS task_id, task.name, needs.alone, needs.together
            FROM unnest(p_tasks) AS id JOIN task ON task.pulp_id = id
            CROSS JOIN LATERAL (
                SELECT alone, ARRAY(SELECT DISTINCT hashtextextended(one, 0) FROM unnest(shared_resources) AS one
                                    WHERE hashtextextended(one, 0) <> ALL (alone)) AS together
                FROM (SELECT ARRAY(SELECT DISTINCT hashtextextended(one, 0)
                                   FROM unnest(exclusive_resources) AS one) AS alone) AS exclusive) AS needs
            WHERE (SELECT 1 FROM task_place WHERE task_id = id) IS NULL
            ORDER BY task.seq) AS one),
    -- Who is in the line already is seen in the table; who comes at the same time, in the window. A task that needs nothing
    -- has a row without a resource.
    need AS MATERIALIZED (
        SELECT one.*,
               CASE WHEN exclusive
                   THEN row_number() OVER line = 1
                        AND (SELECT 1 FROM task_need WHERE task_need.resource = one.resource LIMIT 1) IS NULL
                   ELSE NOT bool_or(exclusive) OVER line
                        AND (SELECT 1 FROM task_need
                             WHERE task_need.resource = one.resource AND task_need.exclusive LIMIT 1) IS NULL
               END AS granted
        FROM (SELECT * FROM arrived LEFT JOIN LATERAL (
                  SELECT unnest(alone) AS resource, true AS exclusive
                  UNION ALL SELECT unnest(together), false) AS each ON true) AS one
        WINDOW line AS (PARTITION BY resource ORDER BY position)),
    joined AS (
        INSERT INTO task_need SELECT resource, position, exclusive, granted FROM need WHERE resource IS NOT NULL),
    place AS (
        INSERT INTO task_place (position, task_id, name, exclusive, shared, missing) OVERRIDING SYSTEM VALUE
        SELECT position, task_id, name, alone, together, count(*) FILTER (WHERE NOT granted)
        FROM need GROUP BY position, task_id, name, alone, together
        RETURNING position, task_id, name, missing)
    INSERT INTO task_ready (task_id, name) SELECT task_id, name FROM place WHERE missing = 0 ORDER BY position;
    GET DIAGNOSTICS ready = ROW_COUNT;
    RETURN ready;
END $$;

-- Reads notices: admits what is new and lets go what is final. One caller at a time, so two tasks never miss each other,
-- and whatever was committed before the lock was held is seen. `more` says that not all notices were read.
--
-- It is not flushed: what a crash takes with it, notices included, is as it was before, and a claim that rests on it is
-- later in the log.
CREATE FUNCTION move_on(p_limit integer, OUT more boolean, OUT ready integer) LANGUAGE plpgsql AS $$
DECLARE
    noticed uuid[];
    arrived uuid[];
    ended uuid[];
    first bigint;
    floor bigint;
BEGIN
    ready := 0;
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock(20561, 0);
    SELECT n.tasks, n.more INTO noticed, more FROM take_notices(p_limit) AS n;
    IF cardinality(noticed) = 0 THEN RETURN; END IF;
    SELECT array_agg(id) FILTER (WHERE state = 'waiting'),
           array_agg(id) FILTER (WHERE state IS NULL OR state NOT IN ('waiting', 'running', 'canceling'))
        INTO arrived, ended FROM unnest(noticed) AS id LEFT JOIN task ON task.pulp_id = id;
    IF ended IS NOT NULL THEN ready := release_tasks(ended); END IF;
    IF arrived IS NOT NULL THEN ready := ready + admit_tasks(arrived); END IF;
    floor := drawn('task_ready_floor');
    SELECT number INTO first FROM task_ready WHERE number > floor ORDER BY number LIMIT 1;
    IF first > floor + 1 THEN PERFORM setval('task_ready_floor', first - 1); END IF;
END $$;

-- Moves on, and wakes as many sleepers as tasks became ready (wanted), if there are (woken), but for p_claims of them, which
-- the caller claims; both are null if nobody is needed.
CREATE OR REPLACE FUNCTION promote(p_limit integer, p_claims integer,
    OUT more boolean, OUT wanted integer, OUT woken integer)
LANGUAGE plpgsql AS $$
DECLARE ready integer;
BEGIN
    SELECT m.more, m.ready INTO more, ready FROM move_on(p_limit) AS m;
    IF ready > p_claims THEN
        wanted := ready - p_claims;
        woken := wake(wanted);
    END IF;
END $$;

-- Wakes a sleeper if there is a notice or a ready task that nobody is about to take. Answers how many; null if nobody is
-- needed. Notices that a reader is about to take are that reader's to see to; if it fails, a look finds them.
CREATE FUNCTION wake_one() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE floor bigint := drawn('task_notice_floor');
BEGIN
    PERFORM 1 FROM task_notice WHERE number > floor - 50 AND xmax = 0 ORDER BY number LIMIT 1;
    IF NOT FOUND THEN
        floor := drawn('task_ready_floor');
        PERFORM 1 FROM task_ready WHERE number > floor AND xmax = 0 ORDER BY number LIMIT 1;
        IF NOT FOUND THEN RETURN NULL; END IF;
    END IF;
    RETURN wake(1);
END $$;

-- A worker's look: moves on, and answers whether a task of these names is ready. If one is, the worker is none of the
-- sleepers any more, and the others are woken for what it leaves. `listed` says whether it was at that place until now.
--
-- Rows that a claim has locked are not counted, or whoever has just ended a task would look again and again until the
-- claims of others are committed. Those of claims that failed look the same; any_work() finds them.
CREATE FUNCTION look_for_work(p_limit integer, p_names text[], p_place bigint, OUT work boolean, OUT listed boolean)
LANGUAGE plpgsql AS $$
DECLARE
    ready integer;
    floor bigint;
BEGIN
    SELECT m.ready INTO ready FROM move_on(p_limit) AS m;
    floor := drawn('task_ready_floor');
    PERFORM 1 FROM task_ready WHERE number > floor AND name = ANY (p_names) AND xmax = 0 ORDER BY number LIMIT 1;
    work := FOUND;
    IF work THEN
        DELETE FROM process_asleep WHERE number = p_place;
        ready := ready - 1;
    ELSE
        PERFORM 1 FROM process_asleep WHERE number = p_place;
    END IF;
    listed := FOUND;
    IF ready > 0 THEN PERFORM wake(ready); END IF;
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
        WHERE t.worker_id = p_worker AND t.claim_token = p_token AND t.state IN ('running', 'canceling');
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

-- Ends a task as finish_and_claim() does. If there is no other one, the worker is among the sleepers with the same commit,
-- at that place: whoever dispatches a task because this one has ended wakes this worker, which is awake, and not one that
-- has slept for long. The worker has to look once more.
CREATE FUNCTION finish_and_go_on(p_task uuid, p_worker uuid, p_token uuid, p_state text, p_error jsonb,
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
