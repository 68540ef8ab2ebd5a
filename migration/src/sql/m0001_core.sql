-- What Pulp keeps: domains, users, content, repositories and what is served from them. Column names are those
-- of the REST API, so that a filter or an ordering names a column. Paths are compared by bytes (collation
-- "C"), whatever the locale of the database: listings seek through them.

CREATE TABLE domain (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    name text NOT NULL UNIQUE,
    description text,
    pulp_labels jsonb NOT NULL DEFAULT '{}',
    storage_class text NOT NULL,
    storage_settings jsonb NOT NULL DEFAULT '{}',
    redirect_to_object_storage boolean NOT NULL DEFAULT true,
    hide_guarded_distributions boolean NOT NULL DEFAULT false
);
-- The domain every installation has. Its id is fixed, so that processes know it without a query.
INSERT INTO domain (pulp_id, name, storage_class)
VALUES ('00000000-0000-7000-8000-000000000001', 'default', 'pulpcore.app.models.storage.FileSystem');

CREATE TABLE auth_user (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username text NOT NULL UNIQUE,
    password text NOT NULL,
    first_name text NOT NULL DEFAULT '',
    last_name text NOT NULL DEFAULT '',
    email text NOT NULL DEFAULT '',
    is_staff boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL DEFAULT true,
    is_superuser boolean NOT NULL DEFAULT false,
    date_joined timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_login timestamptz
);
-- '!' is Django's mark of a password that nothing matches.
INSERT INTO auth_user (username, password, is_staff, is_superuser) VALUES ('admin', '!', true, true);

-- Bytes stored once per domain, by SHA-256. `file` is the storage path.
CREATE TABLE artifact (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    timestamp_of_interest timestamptz NOT NULL DEFAULT clock_timestamp(),
    file text NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),
    md5 text,
    sha1 text,
    sha224 text,
    sha256 text NOT NULL,
    sha384 text,
    sha512 text,
    UNIQUE (pulp_domain_id, sha256)
);
CREATE INDEX artifact_by_creation ON artifact (pulp_domain_id, pulp_created, pulp_id);
CREATE INDEX artifact_by_interest ON artifact (timestamp_of_interest);

-- Bytes whose artifact row is gone; the collector deletes the file once the tombstone is old.
CREATE TABLE artifact_tombstone (
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    sha256 text NOT NULL,
    file text NOT NULL,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pulp_domain_id, sha256)
);
CREATE INDEX artifact_tombstone_by_age ON artifact_tombstone (pulp_created);

-- A unit of content. What is special to its type is in a table of the plugin, keyed by pulp_id.
CREATE TABLE content (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    pulp_type text NOT NULL,
    pulp_labels jsonb NOT NULL DEFAULT '{}',
    timestamp_of_interest timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX content_by_creation ON content (pulp_domain_id, pulp_created, pulp_id);
CREATE INDEX content_by_interest ON content (timestamp_of_interest);

-- One file of a unit; without an artifact it is fetched from a remote artifact when it is asked for.
CREATE TABLE content_artifact (
    pulp_id uuid PRIMARY KEY,
    content_id uuid NOT NULL REFERENCES content ON DELETE CASCADE,
    artifact_id uuid REFERENCES artifact ON DELETE RESTRICT,
    relative_path text COLLATE "C" NOT NULL,
    UNIQUE (content_id, relative_path)
);
CREATE INDEX content_artifact_by_artifact ON content_artifact (artifact_id);
CREATE INDEX content_artifact_by_path ON content_artifact (relative_path, content_id);

CREATE TABLE remote (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    pulp_type text NOT NULL,
    pulp_labels jsonb NOT NULL DEFAULT '{}',
    name text NOT NULL,
    url text NOT NULL,
    policy text NOT NULL DEFAULT 'immediate' CHECK (policy IN ('immediate', 'on_demand', 'streamed')),
    ca_cert text,
    client_cert text,
    -- Columns in this group hold Fernet tokens, never the secret itself.
    client_key text,
    username text,
    password text,
    proxy_username text,
    proxy_password text,
    proxy_url text,
    tls_validation boolean NOT NULL DEFAULT true,
    download_concurrency integer CHECK (download_concurrency > 0),
    max_retries integer CHECK (max_retries >= 0),
    rate_limit integer CHECK (rate_limit >= 0),
    total_timeout double precision CHECK (total_timeout >= 0),
    connect_timeout double precision CHECK (connect_timeout >= 0),
    sock_connect_timeout double precision CHECK (sock_connect_timeout >= 0),
    sock_read_timeout double precision CHECK (sock_read_timeout >= 0),
    headers jsonb,
    details jsonb NOT NULL DEFAULT '{}',
    UNIQUE (pulp_domain_id, name)
);

CREATE TABLE remote_artifact (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    content_artifact_id uuid NOT NULL REFERENCES content_artifact ON DELETE CASCADE,
    remote_id uuid NOT NULL REFERENCES remote ON DELETE CASCADE,
    url text NOT NULL,
    size bigint,
    md5 text,
    sha1 text,
    sha224 text,
    sha256 text,
    sha384 text,
    sha512 text,
    failed_at timestamptz,
    UNIQUE (content_artifact_id, remote_id)
);
CREATE INDEX remote_artifact_by_remote ON remote_artifact (remote_id, content_artifact_id);

-- What is special to a repository, remote, publication or distribution of one type is in `details`,
-- which the plugin reads into a struct of its own.
CREATE TABLE repository (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    pulp_type text NOT NULL,
    pulp_labels jsonb NOT NULL DEFAULT '{}',
    name text NOT NULL,
    description text,
    next_version integer NOT NULL DEFAULT 1,
    retain_repo_versions integer CHECK (retain_repo_versions > 0),
    retain_checkpoints integer CHECK (retain_checkpoints > 0),
    user_hidden boolean NOT NULL DEFAULT false,
    remote_id uuid REFERENCES remote ON DELETE SET NULL,
    last_sync_details jsonb NOT NULL DEFAULT '{}',
    details jsonb NOT NULL DEFAULT '{}',
    UNIQUE (pulp_domain_id, name)
);
CREATE INDEX repository_by_remote ON repository (remote_id);

CREATE TABLE repository_version (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    repository_id uuid NOT NULL REFERENCES repository ON DELETE CASCADE,
    number integer NOT NULL CHECK (number >= 0),
    base_version_id uuid REFERENCES repository_version ON DELETE SET NULL,
    complete boolean NOT NULL DEFAULT false,
    -- The task that is making it, until it is complete.
    task_id uuid,
    -- {"added": {type: n}, "removed": {type: n}, "present": {type: n}}, written when the version completes.
    content_counts jsonb NOT NULL DEFAULT '{}',
    UNIQUE (repository_id, number)
);
CREATE INDEX repository_version_by_base ON repository_version (base_version_id);
CREATE INDEX repository_version_by_task ON repository_version (task_id) WHERE NOT complete;

-- Every repository begins with an empty version 0 (C09).
CREATE TRIGGER create_version_zero AFTER INSERT ON repository
    FOR EACH ROW EXECUTE FUNCTION create_version_zero();

-- A unit is in version n if version_added <= n and (version_removed is null or version_removed > n).
-- Rows of a version that is not complete carry its number, so no complete version sees them.
CREATE TABLE repository_content (
    repository_id uuid NOT NULL REFERENCES repository ON DELETE CASCADE,
    content_id uuid NOT NULL REFERENCES content ON DELETE RESTRICT,
    version_added integer NOT NULL,
    version_removed integer CHECK (version_removed > version_added),
    PRIMARY KEY (repository_id, content_id, version_added)
);
CREATE UNIQUE INDEX repository_content_present ON repository_content (repository_id, content_id)
    WHERE version_removed IS NULL;
-- Statistics know nothing of a new repository: the planner takes all of it for one row, and any index that
-- begins with the repository for as good as the right one. So these begin with the other column.
CREATE INDEX repository_content_added ON repository_content (version_added, repository_id);
CREATE INDEX repository_content_removed ON repository_content (version_removed, repository_id)
    WHERE version_removed IS NOT NULL;
CREATE INDEX repository_content_by_content ON repository_content (content_id, repository_id);

-- What a running sync has declared, so that a mirror can drop the rest without holding the list in memory.
-- Rows go with the sync; those of a task that died are swept by the next.
CREATE UNLOGGED TABLE sync_unit (
    task_id uuid NOT NULL,
    content_id uuid NOT NULL,
    PRIMARY KEY (task_id, content_id)
);

CREATE TABLE publication (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    pulp_type text NOT NULL,
    repository_version_id uuid NOT NULL REFERENCES repository_version ON DELETE CASCADE,
    complete boolean NOT NULL DEFAULT false,
    -- The task that is making it, until it is complete.
    task_id uuid,
    pass_through boolean NOT NULL DEFAULT false,
    checkpoint boolean NOT NULL DEFAULT false,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX publication_by_version ON publication (repository_version_id);
CREATE INDEX publication_by_task ON publication (task_id) WHERE NOT complete;

CREATE TABLE published_artifact (
    pulp_id uuid PRIMARY KEY,
    publication_id uuid NOT NULL REFERENCES publication ON DELETE CASCADE,
    content_artifact_id uuid NOT NULL REFERENCES content_artifact ON DELETE RESTRICT,
    relative_path text COLLATE "C" NOT NULL,
    UNIQUE (publication_id, relative_path)
);
CREATE INDEX published_artifact_by_content_artifact ON published_artifact (content_artifact_id);

-- A file made by the publication itself, such as a manifest.
CREATE TABLE published_metadata (
    pulp_id uuid PRIMARY KEY,
    publication_id uuid NOT NULL REFERENCES publication ON DELETE CASCADE,
    artifact_id uuid NOT NULL REFERENCES artifact ON DELETE RESTRICT,
    relative_path text COLLATE "C" NOT NULL,
    UNIQUE (publication_id, relative_path)
);
CREATE INDEX published_metadata_by_artifact ON published_metadata (artifact_id);

CREATE TABLE distribution (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    pulp_type text NOT NULL,
    pulp_labels jsonb NOT NULL DEFAULT '{}',
    name text NOT NULL,
    base_path text COLLATE "C" NOT NULL,
    hidden boolean NOT NULL DEFAULT false,
    checkpoint boolean NOT NULL DEFAULT false,
    repository_id uuid REFERENCES repository ON DELETE SET NULL,
    repository_version_id uuid REFERENCES repository_version ON DELETE SET NULL,
    publication_id uuid REFERENCES publication ON DELETE SET NULL,
    remote_id uuid REFERENCES remote ON DELETE SET NULL,
    details jsonb NOT NULL DEFAULT '{}',
    CHECK (num_nonnulls(repository_id, repository_version_id, publication_id) <= 1),
    UNIQUE (pulp_domain_id, name),
    UNIQUE (pulp_domain_id, base_path)
);
CREATE INDEX distribution_by_repository ON distribution (repository_id);
CREATE INDEX distribution_by_version ON distribution (repository_version_id);
CREATE INDEX distribution_by_publication ON distribution (publication_id);
CREATE INDEX distribution_by_remote ON distribution (remote_id);

CREATE TABLE upload (
    pulp_id uuid PRIMARY KEY,
    pulp_created timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_last_updated timestamptz NOT NULL DEFAULT clock_timestamp(),
    pulp_domain_id uuid NOT NULL REFERENCES domain,
    size bigint NOT NULL CHECK (size > 0)
);
CREATE TABLE upload_chunk (
    pulp_id uuid PRIMARY KEY,
    upload_id uuid NOT NULL REFERENCES upload ON DELETE CASCADE,
    "offset" bigint NOT NULL CHECK ("offset" >= 0),
    size bigint NOT NULL CHECK (size >= 0),
    file text NOT NULL,
    UNIQUE (upload_id, "offset")
);

-- pulp_last_updated follows every change a user can see. Content and artifacts are left out: their
-- timestamp_of_interest moves in bulk and is nobody's business.
DO $$
DECLARE touched text;
BEGIN
    FOREACH touched IN ARRAY ARRAY['domain', 'remote', 'repository', 'repository_version', 'publication',
                                   'distribution', 'upload']
    LOOP
        EXECUTE format(
            'CREATE TRIGGER touch_last_updated BEFORE UPDATE ON %I FOR EACH ROW
             WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_last_updated()', touched);
    END LOOP;
END $$;
