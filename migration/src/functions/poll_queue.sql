-- A worker's look: advances the queue, and returns whether a task of these names is ready. If one is, the
-- worker is none of the idle ones any more, and others are woken for what it leaves, but for one task: its
-- claim tells of that if it is still there. Of two tasks that are dispatched at the same time one look finds
-- both, and the dispatch of the second has woken another worker for it. `listed` says whether the worker was
-- among the idle ones until now, under p_place.
--
-- If another worker waits for its turn to look, that one finds what becomes ready until then, and wakes the
-- idle ones for what it does not take.
--
-- Rows that a claim has locked are not counted, or a worker that has just ended a task would look again and
-- again until the claims of others are committed. Those of claims that failed look the same; any_work() finds
-- them.
CREATE OR REPLACE FUNCTION poll_queue(p_limit integer, p_names text[], p_place bigint,
    OUT work boolean, OUT listed boolean)
LANGUAGE plpgsql AS $$
DECLARE
    ready integer;
    floor bigint;
BEGIN
    SELECT a.ready INTO ready FROM advance_queue(p_limit, 1) AS a;
    floor := last_number('task_ready_floor');
    PERFORM 1 FROM task_ready WHERE number > floor AND name = ANY (p_names) AND xmax = 0
        ORDER BY number LIMIT 1;
    work := FOUND;
    IF work THEN
        DELETE FROM idle_worker WHERE number = p_place;
        ready := ready - 2;
    ELSE
        PERFORM 1 FROM idle_worker WHERE number = p_place;
    END IF;
    listed := FOUND;
    IF ready > 0 THEN PERFORM wake_idle(ready); END IF;
END $$;
