-- The channel on which a worker is notified.
CREATE OR REPLACE FUNCTION worker_channel(p_worker uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'pulp_' || p_worker
$$;
