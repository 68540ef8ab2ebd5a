-- Puts a worker among the sleepers, if it is not there by the number that it had. Answers its number.
CREATE OR REPLACE FUNCTION fall_asleep(p_worker uuid, p_number bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE place bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT number INTO place FROM process_asleep WHERE number = p_number;
    IF place IS NULL THEN
        INSERT INTO process_asleep (process_id) VALUES (p_worker) RETURNING number INTO place;
    END IF;
    RETURN place;
END $$;
