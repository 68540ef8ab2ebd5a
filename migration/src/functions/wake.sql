-- Wakes sleepers, as many at most. Answers how many. Those come first that fell asleep last: they have just
-- worked. If there are none among the last hundred, it is the turn of those that have slept longest. So no
-- more than some hundred rows are passed that are dead already, however long an old transaction keeps them.
CREATE OR REPLACE FUNCTION wake(p_count integer) RETURNS integer LANGUAGE plpgsql AS $$
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
