-- Records that tasks have become final by other steps than their worker's. Returns them.
CREATE OR REPLACE FUNCTION record_ended(p_ended uuid[]) RETURNS uuid[] LANGUAGE sql AS $$
    INSERT INTO task_change (task_id) SELECT unnest(p_ended);
    SELECT p_ended
$$;
