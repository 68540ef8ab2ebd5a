-- Wakes idle workers, as many at most. Returns how many. Those come first that became idle last: they have
-- just worked. If there are none among the last hundred, it is the turn of those that were idle longest. So
-- no more than some hundred rows are passed that are dead already, however long an old transaction keeps
-- them.
CREATE OR REPLACE FUNCTION wake_idle(p_count integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    recent bigint := last_number('idle_worker_number_seq') - 100;
    floor bigint := last_number('idle_worker_floor');
    chosen bigint[];
    cold bigint[];
    woken uuid;
    told integer := 0;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT coalesce(array_agg(number), '{}') INTO chosen FROM
        (SELECT number FROM idle_worker WHERE number > recent
         ORDER BY number DESC LIMIT p_count FOR UPDATE SKIP LOCKED) AS one;
    IF cardinality(chosen) < p_count AND recent > floor - 100 THEN
        SELECT coalesce(array_agg(number ORDER BY number), '{}') INTO cold FROM
            (SELECT number FROM idle_worker WHERE number > floor - 100 AND number <= recent
             ORDER BY number LIMIT p_count - cardinality(chosen) FOR UPDATE SKIP LOCKED) AS one;
        IF coalesce(cold[1], recent) > floor THEN
            PERFORM setval('idle_worker_floor', coalesce(cold[1], recent));
        END IF;
        chosen := chosen || cold;
    END IF;
    FOR woken IN DELETE FROM idle_worker WHERE number = ANY (chosen) RETURNING process_id LOOP
        PERFORM pg_notify(worker_channel(woken), 'work');
        told := told + 1;
    END LOOP;
    RETURN told;
END $$;
