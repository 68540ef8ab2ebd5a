-- Tasks and the processes that run them. Postgres is the truth; Redis is an index of these rows.

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
    -- Set once, by whoever gives the process up, or by itself when it stops. Nothing it does counts afterwards.
    gone_at timestamptz
);
CREATE UNIQUE INDEX process_alive ON process (kind, name) WHERE gone_at IS NULL;

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
CREATE UNIQUE INDEX task_by_seq ON task (seq);
CREATE INDEX task_unfinished ON task (seq) WHERE state IN ('waiting', 'running', 'canceling');
CREATE INDEX task_on_worker ON task (worker_id) WHERE state IN ('running', 'canceling');
CREATE INDEX task_by_creation ON task (pulp_domain_id, pulp_created DESC, pulp_id);
CREATE INDEX task_by_state ON task (state, finished_at);
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

-- What a task made, in order. href and prn become null when the object goes (T09).
CREATE TABLE created_resource (
    task_id uuid NOT NULL REFERENCES task ON DELETE CASCADE,
    position integer NOT NULL,
    object_id uuid,
    href text,
    prn text,
    PRIMARY KEY (task_id, position)
);
CREATE INDEX created_resource_by_object ON created_resource (object_id) WHERE object_id IS NOT NULL;

CREATE FUNCTION forget_created_resource() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE created_resource SET object_id = NULL, href = NULL, prn = NULL
    FROM gone WHERE created_resource.object_id = gone.pulp_id;
    RETURN NULL;
END $$;

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
