-- Tells of tasks that have become final by other steps of a task's life.
CREATE OR REPLACE FUNCTION note_ended(p_ended uuid[]) RETURNS uuid[] LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO task_notice (task_id) SELECT unnest(p_ended);
    RETURN p_ended;
END $$;
