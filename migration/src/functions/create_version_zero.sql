-- Every repository begins with an empty version 0 (C09).
CREATE OR REPLACE FUNCTION create_version_zero() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO repository_version (pulp_id, repository_id, number, complete, content_counts)
    VALUES (gen_random_uuid(), NEW.pulp_id, 0, true, '{"added": {}, "removed": {}, "present": {}}');
    RETURN NULL;
END $$;
