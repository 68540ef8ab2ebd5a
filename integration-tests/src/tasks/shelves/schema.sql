CREATE TABLE test_furniture (
    id serial PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    pulp_type text NOT NULL,
    pulp_labels jsonb NOT NULL DEFAULT '{}',
    name text NOT NULL,
    UNIQUE (pulp_domain_id, name)
);
CREATE TABLE test_shelf (
    id int PRIMARY KEY REFERENCES test_furniture ON DELETE CASCADE,
    repositories uuid[] NOT NULL DEFAULT '{}',
    place jsonb,
    picture text
);
CREATE TABLE test_board (
    pulp_id uuid PRIMARY KEY,
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    shelf_id int NOT NULL REFERENCES test_furniture ON DELETE CASCADE,
    height int NOT NULL
);
CREATE TABLE test_notice (
    pulp_id uuid PRIMARY KEY,
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    text text NOT NULL
);
CREATE TABLE test_creator (
    object text PRIMARY KEY,
    user_id int REFERENCES auth_user
);
