-- Tasks, the processes that run them, and the queue of tasks without Redis. The rows of `task` are the truth;
-- Redis in the one style of tasking, and the tables of the queue in the other one, are indexes of them and
-- are made again from them.

CREATE TYPE task_state AS ENUM
    ('waiting', 'skipped', 'running', 'completed', 'failed', 'canceled', 'canceling');

-- A process of Pulp, known by the UUID it drew at its start; `name` is its label.
CREATE TABLE process (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL CHECK (kind IN ('api', 'content', 'worker', 'resource-manager')),
    name text NOT NULL,
    versions jsonb NOT NULL DEFAULT '{}',
    -- The names of the tasks that it can run, or that a server may dispatch.
    tasks text[] NOT NULL DEFAULT '{}',
    -- Set once, when the process is declared missing, or when it stops. Nothing it does counts afterwards.
    gone_at timestamptz,
    style text NOT NULL DEFAULT 'redis' CHECK (style IN ('redis', 'postgres'))
);
CREATE UNIQUE INDEX process_alive ON process (kind, name) WHERE gone_at IS NULL;
CREATE TRIGGER enforce_style BEFORE INSERT ON process
    FOR EACH ROW WHEN (NEW.kind IN ('worker', 'resource-manager')) EXECUTE FUNCTION enforce_style();

-- Its own narrow table, because it is written all the time.
CREATE TABLE process_beat (
    process_id uuid PRIMARY KEY REFERENCES process ON DELETE CASCADE,
    counter bigint NOT NULL DEFAULT 0,
    last_heartbeat timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- One row: which leader's assignments count. The epoch only grows.
CREATE TABLE leader (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    epoch bigint NOT NULL DEFAULT 0,
    process_id uuid,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO leader DEFAULT VALUES;

CREATE TABLE task_group (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    description text NOT NULL,
    all_tasks_dispatched boolean NOT NULL DEFAULT false
);

CREATE TABLE task (
    pulp_id uuid PRIMARY KEY,
    -- The order of dispatch. Drawn before the commit, so a lower number can appear later than a higher one.
    seq bigint GENERATED ALWAYS AS IDENTITY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    state task_state NOT NULL DEFAULT 'waiting',
    name text NOT NULL,
    logging_cid text NOT NULL DEFAULT '',
    args jsonb NOT NULL DEFAULT '{}',
    exclusive_resources text[] NOT NULL DEFAULT '{}',
    shared_resources text[] NOT NULL DEFAULT '{}',
    unblocked_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    error jsonb,
    result jsonb,
    -- Who runs it, and the token of the claim: every write of the task is fenced by both.
    worker_id uuid,
    claim_token uuid,
    parent_task_id uuid REFERENCES task ON DELETE SET NULL,
    task_group_id uuid REFERENCES task_group ON DELETE SET NULL,
    created_by integer REFERENCES auth_user ON DELETE SET NULL,
    CHECK ((claim_token IS NULL) = (worker_id IS NULL))
);
-- A statement that looks for one task by its id compares `state::text`: with the state itself a plan that was
-- made while few tasks were unfinished would use the index of the unfinished ones. For the same reason no
-- index leads with the state.
CREATE UNIQUE INDEX task_by_seq ON task (seq);
CREATE INDEX task_unfinished ON task (seq) WHERE state IN ('waiting', 'running', 'canceling');
-- By its token a claim is found among the dead rows of a worker that has run many tasks. A row that has a
-- worker and no end is claimed: with the states in the condition, a planner who sees few unfinished tasks
-- might take the index of those, and pass the dead rows of all workers that an old transaction keeps.
CREATE INDEX task_on_worker ON task (worker_id, claim_token)
    WHERE worker_id IS NOT NULL AND finished_at IS NULL;
CREATE INDEX task_by_creation ON task (pulp_domain_id, pulp_created DESC, pulp_id);
CREATE INDEX task_finished ON task (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX task_by_parent ON task (parent_task_id) WHERE parent_task_id IS NOT NULL;
CREATE INDEX task_by_group ON task (task_group_id) WHERE task_group_id IS NOT NULL;
CREATE INDEX task_by_cid ON task (logging_cid);

CREATE TABLE progress_report (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    task_id uuid NOT NULL REFERENCES task ON DELETE CASCADE,
    message text NOT NULL,
    code text NOT NULL,
    state text NOT NULL,
    total bigint,
    done bigint NOT NULL DEFAULT 0,
    suffix text
);
CREATE INDEX progress_report_by_task ON progress_report (task_id);

CREATE TABLE group_progress_report (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    task_group_id uuid NOT NULL REFERENCES task_group ON DELETE CASCADE,
    message text NOT NULL,
    code text NOT NULL,
    total bigint,
    done bigint NOT NULL DEFAULT 0,
    suffix text,
    UNIQUE (task_group_id, code)
);

-- What a task created, in order. The PRN becomes null when the object goes (T09).
CREATE TABLE created_resource (
    task_id uuid NOT NULL REFERENCES task ON DELETE CASCADE,
    position integer NOT NULL,
    object_id uuid,
    prn text,
    PRIMARY KEY (task_id, position)
);
CREATE INDEX created_resource_by_object ON created_resource (object_id) WHERE object_id IS NOT NULL;

DO $$
DECLARE kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['artifact', 'content', 'repository', 'repository_version', 'remote',
                                'publication', 'distribution', 'task_group']
    LOOP
        EXECUTE format(
            'CREATE TRIGGER forget_created_resource AFTER DELETE ON %I REFERENCING OLD TABLE AS gone
             FOR EACH STATEMENT EXECUTE FUNCTION forget_created_resource()', kept);
    END LOOP;
END $$;

-- Tasks that are dispatched again and again.
CREATE TABLE task_schedule (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Every change moves it, which a dispatch relies on: it acts on what it has read or not at all.
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    name text NOT NULL,
    -- What its tasks get: name, arguments and resources. The process that dispatches them need not know the
    -- task.
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

-- Which style of tasking the workers follow. Registration locks the row.
CREATE TABLE tasking_style (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    -- Drawn by the first service. By it workers of one host know that they are of one installation, and an
    -- artifact store whose it is.
    installation uuid,
    style text NOT NULL DEFAULT 'redis' CHECK (style IN ('redis', 'postgres')),
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO tasking_style DEFAULT VALUES;

-- The queue of tasks without Redis. A sequence marks the place in a table before which only rows are that
-- were deleted: readers start from it, so that dead rows which an old transaction keeps from being removed
-- cost nothing. A sequence leaves no dead rows itself.

-- "Look at this task": it is new, or it is final. Written with what happened to the task, in the same
-- transaction.
CREATE TABLE task_change (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id uuid NOT NULL
);
-- Changes up to this one have been read, but for a few whose transactions took longer than those of many
-- later ones.
CREATE SEQUENCE task_change_floor;

-- An admitted task. Its position is the same in the line of every resource that it needs; a resource is the
-- hash of its name, so that two names that collide only wait for each other.
CREATE TABLE task_admitted (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id uuid NOT NULL UNIQUE,
    name text NOT NULL,
    exclusive bigint[] NOT NULL,
    shared bigint[] NOT NULL,
    -- How many of its needs are not granted.
    ungranted integer NOT NULL
) WITH (fillfactor = 80);

-- The lines: which tasks hold a resource, and which wait for it.
CREATE TABLE task_lock (
    resource bigint NOT NULL,
    position bigint NOT NULL,
    exclusive boolean NOT NULL,
    granted boolean NOT NULL,
    -- The resource, of an exclusive need: those are found by an index that serves for nothing else. With one
    -- on the resource that is restricted to them, a planner may take the other one, and pass all that share.
    exclusive_resource bigint GENERATED ALWAYS AS (CASE WHEN exclusive THEN resource END) STORED,
    PRIMARY KEY (resource, position)
) WITH (fillfactor = 80);
CREATE INDEX task_lock_exclusive ON task_lock (exclusive_resource, position)
    WHERE exclusive_resource IS NOT NULL;

-- Tasks that hold all they need, in the order in which they came to that. A claim deletes the row.
CREATE TABLE task_ready (
    number bigint GENERATED ALWAYS AS IDENTITY (START WITH 2) PRIMARY KEY,
    task_id uuid NOT NULL,
    name text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- No ready task has a lower number, or this one.
CREATE SEQUENCE task_ready_floor;

-- Idle workers, to be woken when there is something to do. One that becomes idle again gets another number:
-- under one that is used again there would be a dead row for each time.
CREATE TABLE idle_worker (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    process_id uuid NOT NULL
);
-- No worker has been idle for longer than this one, but for a few.
CREATE SEQUENCE idle_worker_floor;

-- Which worker does what one has to do for all: declares missing ones, cleans up. Two that do it do no harm.
-- A worker may be alive and no coordinator any more: it only is one while it listens for its host. So the
-- coordinator has a heartbeat of its own.
CREATE TABLE coordinator (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    process_id uuid,
    beat bigint NOT NULL DEFAULT 0
);
INSERT INTO coordinator DEFAULT VALUES;
