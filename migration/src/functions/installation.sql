-- What tells this installation from others on the same hosts.
CREATE OR REPLACE FUNCTION installation() RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE drawn uuid;
BEGIN
    SELECT installation INTO drawn FROM tasking_style WHERE singleton;
    IF drawn IS NULL THEN
        UPDATE tasking_style SET installation = gen_random_uuid() WHERE singleton AND installation IS NULL;
        SELECT installation INTO drawn FROM tasking_style WHERE singleton;
    END IF;
    RETURN drawn;
END $$;
