-- What tells this installation from others on the same hosts; drawn by the first call.
CREATE OR REPLACE FUNCTION installation() RETURNS uuid LANGUAGE sql AS $$
    UPDATE tasking_style SET installation = gen_random_uuid() WHERE singleton AND installation IS NULL;
    SELECT installation FROM tasking_style WHERE singleton
$$;
