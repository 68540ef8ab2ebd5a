-- Tasks that are dispatched again and again without anybody asking for them.

CREATE TABLE task_schedule (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Every change moves it, which a dispatch relies on: it acts on what it has read or not at all.
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    name text NOT NULL,
    -- What its tasks get: name, arguments and resources. Whoever dispatches them need not know the task.
    task_name text NOT NULL,
    args jsonb NOT NULL DEFAULT '{}',
    exclusive_resources text[] NOT NULL DEFAULT '{}',
    shared_resources text[] NOT NULL DEFAULT '{}',
    -- Microseconds from one dispatch to the next; without it there is only one.
    dispatch_interval bigint CHECK (dispatch_interval > 0),
    -- NULL: never again.
    next_dispatch timestamptz,
    last_task_id uuid REFERENCES task ON DELETE SET NULL,
    UNIQUE (pulp_domain_id, name)
);
CREATE INDEX task_schedule_due ON task_schedule (next_dispatch) WHERE next_dispatch IS NOT NULL;
CREATE INDEX task_schedule_by_last_task ON task_schedule (last_task_id) WHERE last_task_id IS NOT NULL;
CREATE TRIGGER touch_last_updated BEFORE UPDATE ON task_schedule FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_last_updated();
