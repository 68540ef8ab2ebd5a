-- Moving the queue in rows on costs the same however many want to do it, and however many dead rows an old transaction keeps.
--
-- Where one row is needed, it is looked for by itself: by a subquery of its own, or by its place in the table. Of a join a
-- planner who sees few rows that live makes one look at all of them, and passes all that are dead.

-- The resource, of who needs it alone: those are found by an index that serves for nothing else. With one on the resource
-- that is restricted to them, a planner may take the other one, and pass all who share.
ALTER TABLE task_need ADD COLUMN alone bigint GENERATED ALWAYS AS (CASE WHEN exclusive THEN resource END) STORED;
DROP INDEX task_need_exclusive;
CREATE INDEX task_need_alone ON task_need (alone, position) WHERE alone IS NOT NULL;

-- Lets tasks that are final go from all their lines, and grants what only they were in the way of. Answers how many tasks
-- became ready.
CREATE OR REPLACE FUNCTION release_tasks(p_tasks uuid[]) RETURNS integer LANGUAGE plpgsql AS $$
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
    gone AS (
        DELETE FROM task_need WHERE ctid = ANY (ARRAY (
            SELECT (SELECT ctid FROM task_need AS need
                    WHERE need.resource = left_line.resource AND need.position = left_line.position)
            FROM (SELECT position, unnest(needs) AS resource FROM place) AS left_line))
        RETURNING resource, position, exclusive, granted),
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
                       WHERE need.alone = one.resource AND need.position > one.start
                       ORDER BY need.position LIMIT 1) AS next_exclusive
        FROM unnest(lines, were_granted, were_heads, starts, firsts)
             AS one (resource, was_granted, was_head, start, first_exclusive)
        -- Behind one that waits and needs the resource alone nothing changes; there is none before what was granted.
        WHERE one.was_granted OR (SELECT 1 FROM task_need AS need
                                  WHERE need.alone = one.resource AND need.position < one.start
                                  LIMIT 1) IS NULL),
    follower AS (
        SELECT line.resource, waiting.position FROM line CROSS JOIN LATERAL (
            SELECT need.position FROM task_need AS need
            WHERE need.resource = line.resource AND need.position > line.first_exclusive
              AND need.position < coalesce(line.next_exclusive, 9223372036854775807)
              AND NOT need.granted OFFSET 0) AS waiting
        UNION ALL
        SELECT line.resource, line.next_exclusive FROM line
        WHERE line.next_exclusive IS NOT NULL
          AND (SELECT 1 FROM task_need AS need
               WHERE need.resource = line.resource AND need.position < line.next_exclusive
                 AND need.position > CASE WHEN line.was_head THEN line.start ELSE 0 END LIMIT 1) IS NULL)
    SELECT array_agg(resource), array_agg(position) INTO follower_lines, followers FROM follower;
    IF followers IS NULL THEN RETURN 0; END IF;

    WITH follower AS (
        UPDATE task_need SET granted = true WHERE ctid = ANY (ARRAY (
            SELECT (SELECT ctid FROM task_need AS need
                    WHERE need.resource = one.resource AND need.position = one.position)
            FROM unnest(follower_lines, followers) AS one (resource, position)))
        RETURNING position),
    place AS (
        UPDATE task_place SET missing = missing - one.grants
        FROM (SELECT (SELECT ctid FROM task_place AS waiting WHERE waiting.position = follower.position) AS place,
                     count(*) AS grants
              FROM follower GROUP BY follower.position) AS one
        WHERE task_place.ctid = one.place RETURNING task_place.position, task_id, name, missing)
    INSERT INTO task_ready (task_id, name) SELECT task_id, name FROM place WHERE missing = 0 ORDER BY position;
    GET DIAGNOSTICS ready = ROW_COUNT;
    RETURN ready;
END $$;

-- Puts waiting tasks at the end of the lines of what they need, in the order of dispatch. Answers how many are ready.
CREATE OR REPLACE FUNCTION admit_tasks(p_tasks uuid[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE ready integer;
BEGIN
    WITH arrived AS MATERIALIZED (
        SELECT nextval('task_place_position_seq') AS position, one.* FROM (
            SELECT task.pulp_id AS task_id, task.name, needs.alone, needs.together
            FROM unnest(p_tasks) AS id
            CROSS JOIN LATERAL (SELECT * FROM task WHERE task.pulp_id = id OFFSET 0) AS task
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
                             WHERE task_need.alone = one.resource LIMIT 1) IS NULL
               END AS granted
        FROM (SELECT * FROM arrived LEFT JOIN LATERAL (
                  SELECT unnest(alone) AS resource, true AS exclusive
                  UNION ALL SELECT unnest(together), false) AS each ON true) AS one
        WINDOW line AS (PARTITION BY resource ORDER BY position)),
    joined AS (
        INSERT INTO task_need (resource, position, exclusive, granted)
        SELECT resource, position, exclusive, granted FROM need WHERE resource IS NOT NULL),
    place AS (
        INSERT INTO task_place (position, task_id, name, exclusive, shared, missing) OVERRIDING SYSTEM VALUE
        SELECT position, task_id, name, alone, together, count(*) FILTER (WHERE NOT granted)
        FROM need GROUP BY position, task_id, name, alone, together
        RETURNING position, task_id, name, missing)
    INSERT INTO task_ready (task_id, name) SELECT task_id, name FROM place WHERE missing = 0 ORDER BY position;
    GET DIAGNOSTICS ready = ROW_COUNT;
    RETURN ready;
END $$;

-- However many want to move the queue on at the same time, one of them waits for its turn and does it for the others. A
-- thousand that stood in line would all look for deadlocks, and hold up every lock of the server while they do.
--
-- Advisory lock: 20563 with a seat. Whoever has a seat waits for 20561.

-- Takes the turn to move the queue on, until the end of the transaction. False if somebody waits for it already, who will
-- see all that is committed by now. There is a seat to wait on for each purpose, as one does not do all that another does.
CREATE FUNCTION take_turn(p_seat integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF pg_try_advisory_xact_lock(20561, 0) THEN RETURN true; END IF;
    -- Not until the end of the transaction: with its turn a caller stops waiting, and what is committed from then on is
    -- for the next.
    IF NOT pg_try_advisory_lock(20563, p_seat) THEN RETURN false; END IF;
    BEGIN
        PERFORM pg_advisory_xact_lock(20561, 0);
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        PERFORM pg_advisory_unlock(20563, p_seat);
        RAISE;
    END;
    PERFORM pg_advisory_unlock(20563, p_seat);
    RETURN true;
END $$;

DROP FUNCTION move_on(integer);

-- Reads notices: admits what is new and lets go what is final. One caller at a time, so two tasks never miss each other,
-- and whatever was committed before its turn is seen. `more` says that not all notices were read. Does nothing if somebody
-- else is about to.
--
-- It is not flushed: what a crash takes with it, notices included, is as it was before, and a claim that rests on it is
-- later in the log.
CREATE FUNCTION move_on(p_limit integer, p_seat integer, OUT more boolean, OUT ready integer) LANGUAGE plpgsql AS $$
DECLARE
    noticed uuid[];
    arrived uuid[];
    ended uuid[];
    first bigint;
    floor bigint;
BEGIN
    ready := 0;
    more := false;
    PERFORM set_config('synchronous_commit', 'off', true);
    IF NOT take_turn(p_seat) THEN RETURN; END IF;
    SELECT n.tasks, n.more INTO noticed, more FROM take_notices(p_limit) AS n;
    IF cardinality(noticed) = 0 THEN RETURN; END IF;
    SELECT array_agg(id) FILTER (WHERE state = 'waiting'),
           array_agg(id) FILTER (WHERE state IS NULL OR state NOT IN ('waiting', 'running', 'canceling'))
        INTO arrived, ended
        FROM (SELECT id, (SELECT task.state FROM task WHERE task.pulp_id = id) AS state
              FROM unnest(noticed) AS id OFFSET 0) AS one;
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
    SELECT m.more, m.ready INTO more, ready FROM move_on(p_limit, 0) AS m;
    IF ready > p_claims THEN
        wanted := ready - p_claims;
        woken := wake(wanted);
    END IF;
END $$;

-- A worker's look: moves on, and answers whether a task of these names is ready. If one is, the worker is none of the
-- sleepers any more, and the others are woken for what it leaves. `listed` says whether it was at that place until now.
--
-- If another worker waits for its turn to look, that one finds what becomes ready until then, and wakes the sleepers for
-- what it does not take.
--
-- Rows that a claim has locked are not counted, or whoever has just ended a task would look again and again until the
-- claims of others are committed. Those of claims that failed look the same; any_work() finds them.
CREATE OR REPLACE FUNCTION look_for_work(p_limit integer, p_names text[], p_place bigint,
    OUT work boolean, OUT listed boolean)
LANGUAGE plpgsql AS $$
DECLARE
    ready integer;
    floor bigint;
BEGIN
    SELECT m.ready INTO ready FROM move_on(p_limit, 1) AS m;
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

-- What a worker does that has slept for long: joins the sleepers again if a wake that got lost has taken it from them, and
-- answers whether it has reason to look: any_work(), or that it has joined just now.
CREATE FUNCTION sleep_on(p_worker uuid, p_number bigint, p_names text[], OUT number bigint, OUT work boolean)
LANGUAGE plpgsql AS $$
BEGIN
    number := fall_asleep(p_worker, p_number);
    work := number <> p_number OR any_work(p_names);
END $$;
