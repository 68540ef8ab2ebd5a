//! The table of settings: what can be set, of which type, and with which default.
//!
//! Loading, checking, `pulpcore diffsettings` and the documentation all follow from this table.

use super::types::Type;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name as Pulp writes it; inside a nested setting the key.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Type,
    /// The value without any source.
    pub default: Default,
    /// Its meaning, in one sentence.
    pub about: &'static str,
    /// Whether its value is never shown.
    pub secret: bool,
}

/// A default value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Default {
    /// No value.
    Null,
    /// A switch.
    Bool(bool),
    /// A number.
    Integer(i64),
    /// A text, a path or a choice.
    Text(&'static str),
    /// A directory below `DEPLOY_ROOT`.
    Deployed(&'static str),
    /// A list of texts.
    List(&'static [&'static str]),
}

use self::Default::{Bool, Deployed, Integer, List, Null, Text};

const fn row(name: &'static str, kind: Type, default: Default, about: &'static str) -> Setting {
    Setting { name, kind, default, about, secret: false }
}

const fn secret(name: &'static str, default: Default, about: &'static str) -> Setting {
    Setting { name, kind: Type::Text, default, about, secret: true }
}

const COUNT: Type = Type::Integer { min: 1, max: i32::MAX as i64 };
const MINUTES: Type = Type::Integer { min: 0, max: 100 * 366 * 24 * 60 };
const SECONDS: Type = Type::Seconds { min: 1.0 };
const WAIT: Type = Type::Seconds { min: 0.0 };

/// The supported settings.
pub const TABLE: &[Setting] = &[
    row("DATABASES", Type::Table(DATABASES), Null, "The Postgres connection, under the key `default`."),
    secret("REDIS_URL", Null, "Redis as one URL: redis://, rediss:// (TLS) or redis+unix://<socket>."),
    row("REDIS_HOST", Type::Text, Null, "Redis by parts: its host, or the path of its unix socket."),
    row("REDIS_PORT", Type::Port, Integer(6379), "Redis by parts: its port."),
    row("REDIS_DB", Type::Integer { min: 0, max: 65_535 }, Integer(0), "Redis by parts: its database."),
    row("REDIS_USERNAME", Type::Text, Null, "Redis by parts: the user, if it has users."),
    secret("REDIS_PASSWORD", Null, "Redis by parts: the password."),
    row("REDIS_SSL", Type::Bool, Bool(false), "Redis by parts: whether to connect with TLS."),
    row(
        "REDIS_SSL_CA_CERTS",
        Type::Path,
        Null,
        "CA certificates (PEM) that Redis's certificate is verified against, instead of the system's; it must name the host.",
    ),
    row(
        "REDIS_SENTINEL",
        Type::Table(SENTINEL),
        Null,
        "Redis Sentinel, instead of the address of a Redis server.",
    ),
    row(
        "REDIS_KEY_PREFIX",
        Type::Text,
        Text("pulp"),
        "Prefix of every key, so that installations can share a Redis database. A colon follows it if it ends \
         with a letter or a digit.",
    ),
    secret("SECRET_KEY", Text(""), "Signs cookies and guarded URLs; not used yet."),
    row(
        "DB_ENCRYPTION_KEY",
        Type::Path,
        Text("/etc/pulp/certs/database_fields.symmetric.key"),
        "The file with the keys that encrypt stored secrets, one per line, newest first.",
    ),
    row(
        "DEPLOY_ROOT",
        Type::Path,
        Text("/var/lib/pulp"),
        "The directory that contains the following ones by default.",
    ),
    row("MEDIA_ROOT", Type::Path, Deployed("media"), "The directory of artifacts."),
    row(
        "WORKING_DIRECTORY",
        Type::Path,
        Deployed("tmp"),
        "The directory of the working directories of tasks.",
    ),
    row(
        "CHUNKED_UPLOAD_DIR",
        Type::Text,
        Text("upload"),
        "The directory of upload chunks, below MEDIA_ROOT.",
    ),
    row(
        "CONTENT_ORIGIN",
        Type::Origin,
        Null,
        "Scheme and host of the content app as clients see it; without it, URLs are relative.",
    ),
    row(
        "API_ROOT",
        Type::UrlPath,
        Text("/pulp/"),
        "The path under which the REST API is served, at `api/v3/` below it.",
    ),
    row(
        "API_ROOT_REWRITE_HEADER",
        Type::Text,
        Null,
        "A request header in which a proxy says under which root it serves the REST API, instead of API_ROOT.",
    ),
    row(
        "CONTENT_PATH_PREFIX",
        Type::UrlPath,
        Text("/pulp/content/"),
        "The path under which the content app serves distributions.",
    ),
    row(
        "USE_NEW_WORKER_STYLE",
        Type::Bool,
        Null,
        "The tasking system: false (default) is Redis with a resource manager, true is Postgres only.",
    ),
    row("USE_NEW_WORKER_TYPE", Type::Bool, Null, "An alias of USE_NEW_WORKER_STYLE."),
    row(
        "WORKER_TYPE",
        Type::Choice(&["pulpcore", "redis"]),
        Null,
        "The tasking system by its later name: pulpcore is Postgres, redis is Redis.",
    ),
    row(
        "DATABASE_STATEMENT_TIMEOUT",
        WAIT,
        Integer(30),
        "Seconds that one statement of a request may take in Postgres, after which the answer is 503; 0 is no limit.",
    ),
    row(
        "DATABASE_LOCK_TIMEOUT",
        WAIT,
        Integer(10),
        "Seconds that a request may wait for a lock in Postgres, after which the answer is 503; 0 is no limit.",
    ),
    row(
        "WORKER_TTL",
        SECONDS,
        Integer(30),
        "Seconds without a heartbeat after which a worker is considered missing.",
    ),
    row(
        "API_APP_TTL",
        SECONDS,
        Integer(120),
        "Seconds without a heartbeat after which an API process is removed.",
    ),
    row(
        "CONTENT_APP_TTL",
        SECONDS,
        Integer(30),
        "Seconds without a heartbeat after which a content process is removed.",
    ),
    row(
        "RESOURCE_MANAGER_LEASE",
        SECONDS,
        Integer(5),
        "Seconds for which the lease of the leading resource manager is valid; bounds the takeover after a crash.",
    ),
    row(
        "TASK_GRACE_INTERVAL",
        WAIT,
        Integer(600),
        "Seconds for which a running task may continue after its worker received SIGINT.",
    ),
    row(
        "TASK_CANCEL_INTERVAL",
        WAIT,
        Integer(10),
        "Seconds a canceled task may take to stop before its worker is shut down.",
    ),
    row(
        "ALLOWED_CONTENT_CHECKSUMS",
        Type::Checksums,
        List(&["sha224", "sha256", "sha384", "sha512"]),
        "The digest algorithms that are computed and accepted; must include sha256.",
    ),
    row("ALLOWED_IMPORT_PATHS", Type::Paths, List(&[]), "Directories that file:// URLs may refer to."),
    row(
        "ORPHAN_PROTECTION_TIME",
        MINUTES,
        Integer(1440),
        "Minutes for which content without a repository is kept by the orphan cleanup.",
    ),
    row(
        "ORPHAN_CLEANUP_INTERVAL",
        MINUTES,
        Integer(0),
        "Minutes between two orphan cleanups; 0: only on request.",
    ),
    row(
        "TASK_PROTECTION_TIME",
        MINUTES,
        Integer(30 * 24 * 60),
        "Minutes after which completed tasks are deleted; 0: never. Failed and canceled tasks are kept.",
    ),
    row(
        "UPLOAD_PROTECTION_TIME",
        MINUTES,
        Integer(0),
        "Minutes after its last chunk after which an unfinished upload is deleted; 0: never.",
    ),
    row(
        "TMPFILE_PROTECTION_TIME",
        MINUTES,
        Integer(0),
        "Minutes after which unfinished files of crashed processes are deleted; must exceed the longest download. 0: after a day.",
    ),
    row(
        "MAX_CONCURRENT_CONTENT",
        COUNT,
        Integer(200),
        "Content units that one sync processes at the same time.",
    ),
    row(
        "REMOTE_CONTENT_FETCH_FAILURE_COOLDOWN",
        WAIT,
        Integer(300),
        "Seconds for which a remote that sent wrong bytes is not asked for them again.",
    ),
    row("LOG_FORMAT", Type::Choice(&["text", "json"]), Text("text"), "The format of log lines."),
    row(
        "LOG_LEVEL",
        Type::LogLevel,
        Text("info"),
        "The log level: error, warn, info, debug or trace, overall or per module, as in `info,tasking=debug`.",
    ),
];

const SENTINEL: &[Setting] = &[
    row(
        "INSTANCES",
        Type::Hosts,
        Null,
        "Addresses of the sentinels; connected to with TLS if REDIS_SSL is true.",
    ),
    row("MASTER_NAME", Type::Text, Null, "Name of the master monitored by the sentinels."),
    row("DB", Type::Integer { min: 0, max: 65_535 }, Null, "The database of the master; default: REDIS_DB."),
    row("USERNAME", Type::Text, Null, "The user at the master; default: REDIS_USERNAME."),
    secret("PASSWORD", Null, "The password at the master; default: REDIS_PASSWORD."),
    row("SENTINEL_KWARGS", Type::Table(SENTINEL_KWARGS), Null, "Credentials for the sentinels."),
];

const SENTINEL_KWARGS: &[Setting] = &[
    row("username", Type::Text, Null, "The user at the sentinels."),
    secret("password", Null, "The password at the sentinels."),
];

const DATABASES: &[Setting] = &[row("default", Type::Table(DATABASE), Null, "The only database.")];

const DATABASE: &[Setting] = &[
    row(
        "ENGINE",
        Type::Choice(&ENGINES),
        Text(ENGINES[0]),
        "The database engine; only Postgres is supported.",
    ),
    row("HOST", Type::Text, Text("/var/run/postgresql"), "The host, or the directory of a unix socket."),
    row("PORT", Type::Port, Integer(5432), "The port."),
    row("NAME", Type::Text, Text("pulp"), "The name of the database."),
    row("USER", Type::Text, Text("pulp"), "The user."),
    secret("PASSWORD", Null, "The password."),
    row("CONN_MAX", COUNT, Integer(10), "Maximum number of connections per process."),
    row("OPTIONS", Type::Table(OPTIONS), Null, "Connection options."),
];

const ENGINES: [&str; 3] =
    ["django.db.backends.postgresql", "django.db.backends.postgresql_psycopg2", "postgresql"];

const OPTIONS: &[Setting] = &[
    row(
        "sslmode",
        Type::Choice(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]),
        Null,
        "Whether to use TLS, and what to verify.",
    ),
    row(
        "sslrootcert",
        Type::Path,
        Null,
        "CA certificates that the server's certificate is verified against.",
    ),
    row("sslcert", Type::Path, Null, "The client certificate."),
    row("sslkey", Type::Path, Null, "The key of the client certificate."),
    row("options", Type::Text, Null, "Session options, as in `-c statement_timeout=60000`."),
];
