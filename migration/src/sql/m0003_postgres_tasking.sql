-- Tasking without Redis: the queue in rows. The rows of `task` stay the truth; everything here but the style is an index
-- of them, and is made again from them when the style changes.
--
-- Advisory locks: 20561 the promoter's; 20562 with the hash of a worker: one claim of it at a time. Locks are taken in this
-- order: 20562, 20567 (the worker's, shared), task_ready, task; 20561 is taken first, by promote(), fail_unclaimable()
-- and a change of style.

-- Which style of tasking the workers follow. Registration locks the row.
CREATE TABLE tasking_style (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    -- Drawn by the first worker; by it workers of one host know that they are of one installation.
    installation uuid,
    style text NOT NULL DEFAULT 'redis' CHECK (style IN ('redis', 'postgres')),
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO tasking_style DEFAULT VALUES;
ALTER TABLE process ADD COLUMN style text NOT NULL DEFAULT 'redis' CHECK (style IN ('redis', 'postgres'));

-- "Look at this task": it is new, or it is final. Written with what happened to the task, in the same transaction.
CREATE TABLE task_notice (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id uuid NOT NULL
);
-- Notices up to this one have been read, but for a few whose transactions took longer than those of many later ones.
CREATE SEQUENCE task_notice_floor;

-- An admitted task. Its position is the same in the line of every resource that it needs; a resource is the hash of its
-- name, so that two names that collide only wait for each other.
CREATE TABLE task_place (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id uuid NOT NULL UNIQUE,
    name text NOT NULL,
    exclusive bigint[] NOT NULL,
    shared bigint[] NOT NULL,
    -- How many of its needs are not granted.
    missing integer NOT NULL
) WITH (fillfactor = 80);

-- The lines: who holds a resource, and who waits for it.
CREATE TABLE task_need (
    resource bigint NOT NULL,
    position bigint NOT NULL,
    exclusive boolean NOT NULL,
    granted boolean NOT NULL,
    PRIMARY KEY (resource, position)
) WITH (fillfactor = 80);
CREATE INDEX task_need_exclusive ON task_need (resource, position) WHERE exclusive;

-- Tasks that hold all they need, in the order in which they came to that. A claim deletes the row.
CREATE TABLE task_ready (
    number bigint GENERATED ALWAYS AS IDENTITY (START WITH 2) PRIMARY KEY,
    task_id uuid NOT NULL,
    name text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- No ready task has a lower number, or this one. Claims look from here, so that rows which were deleted, and which an old
-- transaction keeps from being removed, cost nothing. A sequence leaves no dead rows itself.
CREATE SEQUENCE task_ready_floor;

-- Workers that sleep, to be told when there is something to do. Whoever falls asleep again gets another number: under one
-- that is used again there would be a dead row for each time.
CREATE TABLE process_asleep (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    process_id uuid NOT NULL
);
-- Nobody has been asleep for longer than this one, but for a few.
CREATE SEQUENCE process_asleep_floor;

-- Who does what one worker has to do for all. Two who do it do no harm. A worker may be alive and no steward any more: it
-- only is one while it listens for its host. So the steward beats itself.
CREATE TABLE steward (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    process_id uuid,
    beat bigint NOT NULL DEFAULT 0
);
INSERT INTO steward DEFAULT VALUES;

-- Hands the tasks over when the first worker of the other style registers, and refuses it while one of this style lives.
CREATE FUNCTION keep_to_style() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    present text;
    alive text;
BEGIN
    SELECT style INTO present FROM tasking_style FOR UPDATE;
    IF present = NEW.style THEN RETURN NEW; END IF;
    SELECT string_agg(name, ', ' ORDER BY name) INTO alive FROM process
        WHERE kind IN ('worker', 'resource-manager') AND gone_at IS NULL AND style <> NEW.style;
    IF alive IS NOT NULL THEN
        RAISE EXCEPTION 'workers of the other style of tasking are alive: %', alive USING ERRCODE = 'PT001';
    END IF;
    UPDATE tasking_style SET style = NEW.style, since = clock_timestamp();
    PERFORM pg_advisory_xact_lock(20561, 0);
    DELETE FROM task_notice;
    DELETE FROM task_ready;
    DELETE FROM task_need;
    DELETE FROM task_place;
    DELETE FROM process_asleep;
    IF NEW.style = 'postgres' THEN
        PERFORM end_abandoned(NULL);
        INSERT INTO task_notice (task_id) SELECT pulp_id FROM task WHERE state = 'waiting' ORDER BY seq;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_to_style BEFORE INSERT ON process
    FOR EACH ROW WHEN (NEW.kind IN ('worker', 'resource-manager')) EXECUTE FUNCTION keep_to_style();

-- What tells this installation from others on the same hosts.
CREATE FUNCTION installation() RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE drawn uuid;
BEGIN
    SELECT installation INTO drawn FROM tasking_style WHERE singleton;
    IF drawn IS NULL THEN
        UPDATE tasking_style SET installation = gen_random_uuid() WHERE singleton AND installation IS NULL;
        SELECT installation INTO drawn FROM tasking_style WHERE singleton;
    END IF;
    RETURN drawn;
END $$;

-- The channel on which a worker is told.
CREATE FUNCTION channel_of(p_worker uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'pulp_' || p_worker
$$;

-- The highest number drawn so far.
CREATE FUNCTION drawn(p_sequence regclass) RETURNS bigint LANGUAGE sql AS $$
    SELECT coalesce(pg_sequence_last_value(p_sequence), 1)
$$;

-- Puts a worker among the sleepers, if it is not there by the number that it had. Answers its number.
CREATE FUNCTION fall_asleep(p_worker uuid, p_number bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE place bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT number INTO place FROM process_asleep WHERE number = p_number;
    IF place IS NULL THEN
        INSERT INTO process_asleep (process_id) VALUES (p_worker) RETURNING number INTO place;
    END IF;
    RETURN place;
END $$;

-- Wakes sleepers, as many at most. Answers how many. Those come first that fell asleep last: they have just worked. If
-- there are none among the last hundred, it is the turn of those that have slept longest. So no more than some hundred
-- rows are passed that are dead already, however long an old transaction keeps them.
CREATE FUNCTION wake(p_count integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    recent bigint := drawn('process_asleep_number_seq') - 100;
    floor bigint := drawn('process_asleep_floor');
    chosen bigint[];
    cold bigint[];
    woken uuid;
    told integer := 0;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT coalesce(array_agg(number), '{}') INTO chosen FROM
        (SELECT number FROM process_asleep WHERE number > recent
         ORDER BY number DESC LIMIT p_count FOR UPDATE SKIP LOCKED) AS one;
    IF cardinality(chosen) < p_count AND recent > floor - 100 THEN
        SELECT coalesce(array_agg(number ORDER BY number), '{}') INTO cold FROM
            (SELECT number FROM process_asleep WHERE number > floor - 100 AND number <= recent
             ORDER BY number LIMIT p_count - cardinality(chosen) FOR UPDATE SKIP LOCKED) AS one;
        IF coalesce(cold[1], recent) > floor THEN
            PERFORM setval('process_asleep_floor', coalesce(cold[1], recent));
        END IF;
        chosen := chosen || cold;
    END IF;
    FOR woken IN DELETE FROM process_asleep WHERE number = ANY (chosen) RETURNING process_id LOOP
        PERFORM pg_notify(channel_of(woken), 'work');
        told := told + 1;
    END LOOP;
    RETURN told;
END $$;

-- One more need of a task is granted.
CREATE FUNCTION grant_need(p_resource bigint, p_position bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE place task_place%ROWTYPE;
BEGIN
    UPDATE task_need SET granted = true WHERE resource = p_resource AND position = p_position;
    UPDATE task_place SET missing = missing - 1 WHERE position = p_position RETURNING * INTO place;
    IF place.missing <> 0 THEN RETURN 0; END IF;
    INSERT INTO task_ready (task_id, name) VALUES (place.task_id, place.name);
    RETURN 1;
END $$;

-- Takes a need out of its line, and grants what only it was in the way of. Answers how many tasks became ready.
CREATE FUNCTION leave_line(p_resource bigint, p_position bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    gone task_need%ROWTYPE;
    next_exclusive bigint;
    follower bigint;
    among boolean := false;
    ready integer := 0;
BEGIN
    DELETE FROM task_need WHERE resource = p_resource AND position = p_position RETURNING * INTO gone;
    IF gone.position IS NULL THEN RETURN 0; END IF;
    SELECT position INTO next_exclusive FROM task_need
        WHERE resource = p_resource AND exclusive AND position > p_position ORDER BY position LIMIT 1;
    IF gone.exclusive THEN
        -- Those who share behind one that waited itself get in only if nobody before it needs the resource alone.
        IF NOT gone.granted THEN
            PERFORM 1 FROM task_need
                WHERE resource = p_resource AND exclusive AND position < p_position LIMIT 1;
            IF FOUND THEN RETURN 0; END IF;
        END IF;
        FOR follower IN
            SELECT position FROM task_need
            WHERE resource = p_resource AND position > p_position
              AND (next_exclusive IS NULL OR position < next_exclusive) ORDER BY position
        LOOP
            among := true;
            ready := ready + grant_need(p_resource, follower);
        END LOOP;
        IF gone.granted AND NOT among AND next_exclusive IS NOT NULL THEN
            ready := ready + grant_need(p_resource, next_exclusive);
        END IF;
    ELSIF gone.granted AND next_exclusive IS NOT NULL THEN
        PERFORM 1 FROM task_need WHERE resource = p_resource AND position < next_exclusive LIMIT 1;
        IF NOT FOUND THEN ready := grant_need(p_resource, next_exclusive); END IF;
    END IF;
    RETURN ready;
END $$;

-- Lets a task that is final go from all its lines. Answers how many tasks became ready.
CREATE FUNCTION release_task(p_task uuid) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    place task_place%ROWTYPE;
    needed bigint;
    ready integer := 0;
BEGIN
    DELETE FROM task_place WHERE task_id = p_task RETURNING * INTO place;
    IF place.position IS NULL THEN RETURN 0; END IF;
    FOREACH needed IN ARRAY place.exclusive || place.shared LOOP
        ready := ready + leave_line(needed, place.position);
    END LOOP;
    RETURN ready;
END $$;

-- Puts a waiting task at the end of the lines of what it needs. Answers 1 if it is ready.
CREATE FUNCTION admit_task(p_task uuid, p_name text, p_exclusive text[], p_shared text[]) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    alone bigint[];
    together bigint[];
    needed bigint;
    place bigint;
    lacking integer := 0;
BEGIN
    SELECT coalesce(array_agg(DISTINCT hashtextextended(one, 0)), '{}') INTO alone FROM unnest(p_exclusive) AS one;
    SELECT coalesce(array_agg(DISTINCT hashtextextended(one, 0)), '{}') INTO together FROM unnest(p_shared) AS one
        WHERE hashtextextended(one, 0) <> ALL (alone);
    INSERT INTO task_place (task_id, name, exclusive, shared, missing) VALUES (p_task, p_name, alone, together, 0)
        ON CONFLICT (task_id) DO NOTHING RETURNING position INTO place;
    IF place IS NULL THEN RETURN 0; END IF;
    FOREACH needed IN ARRAY alone LOOP
        PERFORM 1 FROM task_need WHERE resource = needed LIMIT 1;
        IF FOUND THEN lacking := lacking + 1; END IF;
        INSERT INTO task_need VALUES (needed, place, true, NOT FOUND);
    END LOOP;
    FOREACH needed IN ARRAY together LOOP
        PERFORM 1 FROM task_need WHERE resource = needed AND exclusive LIMIT 1;
        IF FOUND THEN lacking := lacking + 1; END IF;
        INSERT INTO task_need VALUES (needed, place, false, NOT FOUND);
    END LOOP;
    IF lacking > 0 THEN
        UPDATE task_place SET missing = lacking WHERE position = place;
        RETURN 0;
    END IF;
    INSERT INTO task_ready (task_id, name) VALUES (p_task, p_name);
    RETURN 1;
END $$;

-- Takes notices, the oldest first. They are looked for from the floor on, so that rows which were taken, and which an old
-- transaction keeps, cost nothing. Numbers are drawn before the commit, so that some below are looked at again.
CREATE FUNCTION take_notices(p_limit integer, OUT tasks uuid[], OUT more boolean) LANGUAGE plpgsql AS $$
DECLARE
    -- Before the look: what was drawn until now and is committed is seen.
    tip bigint := drawn('task_notice_number_seq');
    floor bigint := drawn('task_notice_floor');
    read bigint;
    first bigint;
BEGIN
    WITH taken AS (
        -- An array: a join might look at the whole table.
        DELETE FROM task_notice WHERE number = ANY (ARRAY
            (SELECT number FROM task_notice WHERE number > floor - 50 ORDER BY number LIMIT p_limit))
        RETURNING number, task_id)
    SELECT coalesce(array_agg(DISTINCT task_id), '{}'), count(*), min(number) INTO tasks, read, first FROM taken;
    more := read >= p_limit;
    -- Not past what is taken now: if this is not committed, it is there again. And not every time, for the log's sake.
    IF coalesce(first, tip) > floor + 25 THEN PERFORM setval('task_notice_floor', coalesce(first, tip)); END IF;
END $$;

-- Lowers the floor for a notice whose transaction took longer than those of many later ones. Passes all dead rows.
CREATE FUNCTION find_late_notices() RETURNS void LANGUAGE plpgsql AS $$
DECLARE first bigint;
BEGIN
    SELECT number INTO first FROM task_notice WHERE number <= drawn('task_notice_floor') - 50 ORDER BY number LIMIT 1;
    IF FOUND THEN PERFORM setval('task_notice_floor', first); END IF;
END $$;

-- Reads notices: admits what is new and lets go what is final. One caller at a time, so two tasks never miss each other,
-- and whatever was committed before the lock was held is seen. Wakes as many sleepers as tasks became ready (wanted), if
-- there are (woken), but for p_claims of them, which the caller claims; both are null if nobody is needed. `more` says that
-- not all notices were read.
--
-- It is not flushed: what a crash takes with it, notices included, is as it was before, and a claim that rests on it is
-- later in the log.
CREATE FUNCTION promote(p_limit integer, p_claims integer, OUT more boolean, OUT wanted integer, OUT woken integer)
LANGUAGE plpgsql AS $$
DECLARE
    found_tasks uuid[];
    ready integer := 0;
    t record;
    first bigint;
    floor bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock(20561, 0);
    SELECT n.tasks, n.more INTO found_tasks, more FROM take_notices(p_limit) AS n;
    FOR t IN
        SELECT one.task_id, task.name, task.state, task.exclusive_resources, task.shared_resources
        FROM unnest(found_tasks) AS one (task_id) LEFT JOIN task ON task.pulp_id = one.task_id ORDER BY task.seq
    LOOP
        IF t.state = 'waiting' THEN
            ready := ready + admit_task(t.task_id, t.name, t.exclusive_resources, t.shared_resources);
        ELSIF t.state IS NULL OR t.state NOT IN ('running', 'canceling') THEN
            ready := ready + release_task(t.task_id);
        END IF;
    END LOOP;
    floor := drawn('task_ready_floor');
    SELECT number INTO first FROM task_ready WHERE number > floor ORDER BY number LIMIT 1;
    IF first > floor + 1 THEN PERFORM setval('task_ready_floor', first - 1); END IF;
    IF ready > p_claims THEN
        wanted := ready - p_claims;
        woken := wake(wanted);
    END IF;
END $$;

-- Claims one ready task of these names. `claimed` says whether there was one; it is this worker's by this token then, and
-- the same when the call is repeated. `refusal` is gone, busy or idle; `more` says that another task is ready.
CREATE FUNCTION claim_ready(p_worker uuid, p_token uuid, p_names text[], p_wait boolean,
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
    SELECT true INTO more FROM task_ready AS r WHERE r.number > floor AND r.name = ANY (p_names)
        ORDER BY r.number LIMIT 1;
    more := coalesce(more, false);
END $$;

-- Ends a task, and claims another in the same commit if p_next_token is given. Whatever comes of that, this one ends.
CREATE FUNCTION finish_and_claim(p_task uuid, p_worker uuid, p_token uuid, p_state text, p_error jsonb,
    p_next_token uuid, p_names text[],
    OUT final text, OUT claimed boolean, OUT refusal text, OUT task_id uuid, OUT more boolean, OUT name text,
    OUT logging_cid text, OUT args jsonb, OUT domain uuid, OUT task_group uuid, OUT created_by integer)
LANGUAGE plpgsql AS $$
BEGIN
    claimed := false;
    more := false;
    IF p_next_token IS NOT NULL THEN PERFORM pg_advisory_xact_lock(20562, hashtext(p_worker::text)); END IF;
    SELECT f.final INTO final
        FROM finish_task(p_task, p_worker, p_token, p_state, p_error, NULL, NULL, NULL, NULL, NULL) AS f;
    IF final IS NOT NULL THEN INSERT INTO task_notice (task_id) VALUES (p_task); END IF;
    IF p_next_token IS NULL THEN RETURN; END IF;
    SELECT c.* INTO claimed, refusal, task_id, more, name, logging_cid, args, domain, task_group, created_by
        FROM claim_ready(p_worker, p_next_token, p_names, false) AS c;
END $$;

-- Tells of tasks that have become final by other steps of a task's life.
CREATE FUNCTION note_ended(p_ended uuid[]) RETURNS uuid[] LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO task_notice (task_id) SELECT unnest(p_ended);
    RETURN p_ended;
END $$;

-- Finds what no notice told of: waiting tasks without a place, and places of final tasks. Costs a look at every
-- unfinished task.
CREATE FUNCTION find_unnoticed() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE found_tasks bigint;
BEGIN
    WITH unnoticed AS (
        SELECT pulp_id FROM task WHERE state = 'waiting'
            AND NOT EXISTS (SELECT 1 FROM task_place WHERE task_id = pulp_id)
        UNION ALL
        SELECT task_id FROM task_place WHERE NOT EXISTS
            (SELECT 1 FROM task WHERE pulp_id = task_id AND state IN ('waiting', 'running', 'canceling'))),
    told AS (INSERT INTO task_notice (task_id)
        SELECT pulp_id FROM unnoticed EXCEPT SELECT task_id FROM task_notice RETURNING 1)
    SELECT count(*) INTO found_tasks FROM told;
    -- Notices and sleepers whose transactions took long.
    PERFORM setval('task_notice_floor', 1), setval('process_asleep_floor', 1);
    RETURN found_tasks;
END $$;

-- Whether a worker has reason to look: notices, or a ready task of these names. Finds notices whose transaction took as long
-- as hundreds of later ones, and lowers the floor for them; for the others it is lowered by find_unnoticed().
CREATE FUNCTION any_work(p_names text[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    floor bigint := drawn('task_notice_floor');
    first bigint;
BEGIN
    SELECT number INTO first FROM task_notice WHERE number > floor - 250 ORDER BY number LIMIT 1;
    IF first <= floor - 50 THEN PERFORM setval('task_notice_floor', first); END IF;
    floor := drawn('task_ready_floor');
    RETURN first IS NOT NULL OR EXISTS (SELECT 1 FROM task_ready WHERE number > floor AND name = ANY (p_names));
END $$;

-- Which of the names of ready tasks no live process knows, while there are workers.
CREATE FUNCTION unknown_names() RETURNS text[] LANGUAGE sql AS $$
    SELECT coalesce(array_agg(DISTINCT name), '{}') FROM task_ready
    WHERE number > (SELECT drawn('task_ready_floor'))
      AND EXISTS (SELECT 1 FROM process WHERE kind = 'worker' AND gone_at IS NULL)
      AND NOT EXISTS (SELECT 1 FROM process WHERE gone_at IS NULL AND task_ready.name = ANY (tasks))
$$;

-- Fails ready tasks of these names, unless a live worker knows them by now. Answers which.
CREATE FUNCTION fail_unclaimable(p_names text[]) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    chosen uuid[];
    ended uuid[];
BEGIN
    -- Numbers of ready tasks are drawn under it: none is committed after a higher one, and missed.
    PERFORM pg_advisory_xact_lock(20561, 0);
    WITH taken AS (
        DELETE FROM task_ready WHERE number IN
            (SELECT number FROM task_ready WHERE name = ANY (p_names) ORDER BY number LIMIT 1000 FOR UPDATE SKIP LOCKED)
        RETURNING task_id)
    SELECT coalesce(array_agg(task_id), '{}') INTO chosen FROM taken;
    ended := coalesce(fail_unknown(chosen, NULL), '{}');
    INSERT INTO task_ready (task_id, name)
        SELECT pulp_id, name FROM task WHERE pulp_id = ANY (chosen) AND state = 'waiting';
    RETURN note_ended(ended);
END $$;

-- Answers who the steward is, which beats by asking. The worker that asks becomes it if there is none alive, or if the
-- beat is still the one that it has seen for too long (p_still; null: none is).
CREATE FUNCTION choose_steward(p_worker uuid, p_still bigint) RETURNS SETOF steward LANGUAGE plpgsql AS $$
DECLARE present steward;
BEGIN
    -- A beat is not worth a disk flush.
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT * INTO present FROM steward;
    IF present.process_id = p_worker THEN
        UPDATE steward SET beat = beat + 1 WHERE process_id = p_worker;
    ELSIF present.beat = p_still
        OR NOT EXISTS (SELECT FROM process WHERE pulp_id = present.process_id AND gone_at IS NULL)
    THEN
        UPDATE steward SET process_id = p_worker, beat = beat + 1
        WHERE process_id IS NOT DISTINCT FROM present.process_id AND beat = present.beat
            AND EXISTS (SELECT FROM process WHERE pulp_id = p_worker AND gone_at IS NULL);
    END IF;
    RETURN QUERY SELECT * FROM steward;
END $$;
