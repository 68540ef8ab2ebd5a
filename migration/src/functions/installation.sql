-- What tells this installation from others on the same hosts and stores; drawn by the first call. Later calls
-- only read: they work on a server that takes no changes at the moment.
CREATE OR REPLACE FUNCTION installation() RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM tasking_style WHERE tasking_style.installation IS NULL) THEN
        UPDATE tasking_style SET installation = gen_random_uuid() WHERE tasking_style.installation IS NULL;
    END IF;
    RETURN (SELECT tasking_style.installation FROM tasking_style WHERE singleton);
END $$;
