-- The channel on which a worker is told.
CREATE OR REPLACE FUNCTION channel_of(p_worker uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'pulp_' || p_worker
$$;
