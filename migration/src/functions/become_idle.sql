-- Adds a worker to the idle ones, unless it is still there under the number that it had. Returns its number.
CREATE OR REPLACE FUNCTION become_idle(p_worker uuid, p_number bigint) RETURNS bigint LANGUAGE sql AS $$
    SELECT set_config('synchronous_commit', 'off', true);
    WITH listed AS (SELECT number FROM idle_worker WHERE number = p_number),
    added AS (
        INSERT INTO idle_worker (process_id) SELECT p_worker WHERE NOT EXISTS (SELECT FROM listed)
        RETURNING number)
    SELECT number FROM listed UNION ALL SELECT number FROM added
$$;
