-- A worker's look: moves on, and answers whether a task of these names is ready. If one is, the worker is
-- none of the sleepers any more, and the others are woken for what it leaves, but for one task: its claim
-- tells of that if it is still there. `listed` says whether it was at that place until now.
--
-- If another worker waits for its turn to look, that one finds what becomes ready until then, and wakes the
-- sleepers for what it does not take.
--
-- Rows that a claim has locked are not counted, or whoever has just ended a task would look again and again
-- until the claims of others are committed. Those of claims that failed look the same; any_work() finds them.
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
        ready := ready - 2;
    ELSE
        PERFORM 1 FROM process_asleep WHERE number = p_place;
    END IF;
    listed := FOUND;
    IF ready > 0 THEN PERFORM wake(ready); END IF;
END $$;
