-- The highest number that was drawn from a sequence.
CREATE OR REPLACE FUNCTION last_number(p_sequence regclass) RETURNS bigint LANGUAGE sql AS $$
    SELECT coalesce(pg_sequence_last_value(p_sequence), 1)
$$;
