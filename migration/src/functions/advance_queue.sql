-- Reads changes: admits tasks that are new and releases what is held by those that are final. One caller at a
-- time, so two tasks never miss each other, and whatever was committed before its turn is seen. `ready` is
-- how many tasks became ready, and `more` says that not all changes were read. Does nothing if another
-- session waits to do it for the same purpose.
--
-- It is not flushed: what a crash takes with it, changes included, is as it was before, and a claim that
-- rests on it is later in the log.
CREATE OR REPLACE FUNCTION advance_queue(p_limit integer, p_purpose integer,
    OUT more boolean, OUT ready integer)
LANGUAGE plpgsql AS $$
DECLARE
    changed uuid[];
    arrived uuid[];
    ended uuid[];
    first bigint;
    floor bigint;
BEGIN
    ready := 0;
    more := false;
    PERFORM set_config('synchronous_commit', 'off', true);
    IF NOT acquire_queue(p_purpose) THEN RETURN; END IF;
    SELECT n.tasks, n.more INTO changed, more FROM take_changes(p_limit) AS n;
    IF cardinality(changed) = 0 THEN RETURN; END IF;
    SELECT array_agg(id) FILTER (WHERE state = 'waiting'),
           array_agg(id) FILTER (WHERE state IS NULL OR state NOT IN ('waiting', 'running', 'canceling'))
        INTO arrived, ended
        FROM (SELECT id, (SELECT task.state FROM task WHERE task.pulp_id = id) AS state
              FROM unnest(changed) AS id OFFSET 0) AS one;
    IF ended IS NOT NULL THEN ready := release_tasks(ended); END IF;
    IF arrived IS NOT NULL THEN ready := ready + admit_tasks(arrived); END IF;
    floor := last_number('task_ready_floor');
    SELECT number INTO first FROM task_ready WHERE number > floor ORDER BY number LIMIT 1;
    IF first > floor + 1 THEN PERFORM setval('task_ready_floor', first - 1); END IF;
END $$;
