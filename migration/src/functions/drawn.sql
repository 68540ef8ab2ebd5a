-- The highest number drawn so far.
CREATE OR REPLACE FUNCTION drawn(p_sequence regclass) RETURNS bigint LANGUAGE sql AS $$
    SELECT coalesce(pg_sequence_last_value(p_sequence), 1)
$$;
