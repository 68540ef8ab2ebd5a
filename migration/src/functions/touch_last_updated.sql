-- pulp_last_updated follows every change a user can see. Content and artifacts are left out: their
-- timestamp_of_interest moves in bulk and is nobody's business.
CREATE OR REPLACE FUNCTION touch_last_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.pulp_last_updated = clock_timestamp();
    RETURN NEW;
END $$;
