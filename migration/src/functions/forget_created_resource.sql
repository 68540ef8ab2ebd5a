CREATE OR REPLACE FUNCTION forget_created_resource() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE created_resource SET object_id = NULL, prn = NULL
    FROM gone WHERE created_resource.object_id = gone.pulp_id;
    RETURN NULL;
END $$;
