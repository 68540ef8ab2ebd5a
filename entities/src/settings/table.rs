//! The table of settings: what can be set, of which type, with which default, and whether anything acts on it.
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
    /// One sentence on what it is for.
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

/// The settings that something acts on.
pub const TABLE: &[Setting] = &[
    row("DATABASES", Type::Table(DATABASES), Null, "The Postgres database, under the key `default`."),
    secret("REDIS_URL", Null, "Redis as one URL: redis://, rediss:// (TLS) or redis+unix://<socket>."),
    row("REDIS_HOST", Type::Text, Null, "Redis by parts: its host, or the path of its unix socket."),
    row("REDIS_PORT", Type::Port, Integer(6379), "Redis by parts: its port."),
    row("REDIS_DB", Type::Integer { min: 0, max: 65_535 }, Integer(0), "Redis by parts: its database."),
    row("REDIS_USERNAME", Type::Text, Null, "Redis by parts: the user, if it has users."),
    secret("REDIS_PASSWORD", Null, "Redis by parts: the password."),
    row("REDIS_SSL", Type::Bool, Bool(false), "Redis by parts: whether to use TLS."),
    row(
        "REDIS_SSL_CA_CERTS",
        Type::Path,
        Null,
        "The authorities to trust for TLS to Redis (PEM), instead of the system's. The certificate must name the host.",
    ),
    row(
        "REDIS_SENTINEL",
        Type::Table(SENTINEL),
        Null,
        "Redis found through sentinels, instead of by its address.",
    ),
    row(
        "REDIS_KEY_PREFIX",
        Type::Text,
        Text("pulp"),
        "Starts every key, so that installations can share Redis.",
    ),
    secret("SECRET_KEY", Text(""), "For signing cookies and guarded URLs; nothing is signed yet."),
    row(
        "DB_ENCRYPTION_KEY",
        Type::Path,
        Text("/etc/pulp/certs/database_fields.symmetric.key"),
        "The file with the keys of stored secrets, one a line, the newest first.",
    ),
    row("DEPLOY_ROOT", Type::Path, Text("/var/lib/pulp"), "Where the directories below are by default."),
    row("MEDIA_ROOT", Type::Path, Deployed("media"), "Where artifacts are."),
    row("WORKING_DIRECTORY", Type::Path, Deployed("tmp"), "Where each running task has a directory."),
    row("CHUNKED_UPLOAD_DIR", Type::Text, Text("upload"), "Where chunks of uploads are, below MEDIA_ROOT."),
    row(
        "CONTENT_ORIGIN",
        Type::Origin,
        Null,
        "Scheme and host of the content app as clients see it; without it, URLs are relative.",
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
        "The tasking system: false (default) is Redis with a resource manager, true is Postgres alone. Either works behind a connection pooler in session mode (PgBouncer: `ignore_startup_parameters = extra_float_digits`). Transaction mode is not for Pulp: wake-ups are not heard, so that tasks start up to a second late, sessions lose the parameters that bound their transactions and choose their plans, and who is given up cannot be cut off by the name of its sessions.",
    ),
    row("USE_NEW_WORKER_TYPE", Type::Bool, Null, "Another name of USE_NEW_WORKER_STYLE."),
    row(
        "WORKER_TYPE",
        Type::Choice(&["pulpcore", "redis"]),
        Null,
        "The tasking system by its later name: pulpcore is Postgres, redis is Redis.",
    ),
    row("WORKER_TTL", SECONDS, Integer(30), "Seconds after which a silent worker is given up."),
    row("API_APP_TTL", SECONDS, Integer(120), "Seconds after which a silent API process is forgotten."),
    row(
        "CONTENT_APP_TTL",
        SECONDS,
        Integer(30),
        "Seconds after which a silent content process is forgotten.",
    ),
    row(
        "RESOURCE_MANAGER_LEASE",
        SECONDS,
        Integer(5),
        "Seconds a resource manager leads without renewing; bounds the takeover after its death.",
    ),
    row("TASK_GRACE_INTERVAL", WAIT, Integer(600), "Seconds a task may go on after SIGINT."),
    row(
        "TASK_CANCEL_INTERVAL",
        WAIT,
        Integer(10),
        "Seconds a canceled task may take to stop before its worker goes down.",
    ),
    row(
        "ALLOWED_CONTENT_CHECKSUMS",
        Type::Checksums,
        List(&["sha224", "sha256", "sha384", "sha512"]),
        "The digests that are computed and accepted; sha256 is always among them.",
    ),
    row("ALLOWED_IMPORT_PATHS", Type::Paths, List(&[]), "Directories that file:// URLs may point into."),
    row(
        "ORPHAN_PROTECTION_TIME",
        MINUTES,
        Integer(1440),
        "Minutes for which content that is in no repository is not cleaned up.",
    ),
    row(
        "ORPHAN_CLEANUP_INTERVAL",
        MINUTES,
        Integer(0),
        "Minutes from one clean-up of orphans to the next; 0: only when somebody asks for it.",
    ),
    row(
        "TASK_PROTECTION_TIME",
        MINUTES,
        Integer(30 * 24 * 60),
        "Minutes after which tasks that have completed are deleted; 0: never. Those that failed or were canceled stay.",
    ),
    row(
        "UPLOAD_PROTECTION_TIME",
        MINUTES,
        Integer(0),
        "Minutes after which an upload that nobody goes on with is deleted with its chunks; 0: never.",
    ),
    row(
        "TMPFILE_PROTECTION_TIME",
        MINUTES,
        Integer(0),
        "Minutes after which files are deleted that were never finished because their writer died; longer than any download or upload takes. 0: no task does that, and they go after a day.",
    ),
    row("MAX_CONCURRENT_CONTENT", COUNT, Integer(200), "Content units in flight in one sync."),
    row(
        "REMOTE_CONTENT_FETCH_FAILURE_COOLDOWN",
        WAIT,
        Integer(300),
        "Seconds for which an upstream that sent wrong bytes is not asked for them again.",
    ),
    row("LOG_FORMAT", Type::Choice(&["text", "json"]), Text("text"), "How log lines look."),
    row(
        "LOG_LEVEL",
        Type::Text,
        Text("info"),
        "What is logged: error, warn, info, debug or trace, for all or by part, as in `info,tasking=debug`.",
    ),
];

const SENTINEL: &[Setting] = &[
    row("INSTANCES", Type::Hosts, Null, "The sentinels; they use TLS if REDIS_SSL says so."),
    row("MASTER_NAME", Type::Text, Null, "How the sentinels call the Redis."),
    row("DB", Type::Integer { min: 0, max: 65_535 }, Null, "Its database; REDIS_DB if not given."),
    row("USERNAME", Type::Text, Null, "Its user; REDIS_USERNAME if not given."),
    secret("PASSWORD", Null, "Its password; REDIS_PASSWORD if not given."),
    row("SENTINEL_KWARGS", Type::Table(SENTINEL_KWARGS), Null, "How to log in at the sentinels."),
];

const SENTINEL_KWARGS: &[Setting] = &[
    row("username", Type::Text, Null, "The user at the sentinels, if they have users."),
    secret("password", Null, "The password of the sentinels."),
];

const DATABASES: &[Setting] =
    &[row("default", Type::Table(DATABASE), Null, "The one database that there is.")];

const DATABASE: &[Setting] = &[
    row("ENGINE", Type::Choice(&ENGINES), Text(ENGINES[0]), "Only Postgres, by any of its names."),
    row("HOST", Type::Text, Text("/var/run/postgresql"), "A host, or the directory of a unix socket."),
    row("PORT", Type::Port, Integer(5432), "The port."),
    row("NAME", Type::Text, Text("pulp"), "The database."),
    row("USER", Type::Text, Text("pulp"), "The user."),
    secret("PASSWORD", Null, "The password."),
    row("CONN_MAX", COUNT, Integer(10), "Connections that one process keeps at most."),
    row("OPTIONS", Type::Table(OPTIONS), Null, "How to connect."),
];

const ENGINES: [&str; 3] =
    ["django.db.backends.postgresql", "django.db.backends.postgresql_psycopg2", "postgresql"];

const OPTIONS: &[Setting] = &[
    row(
        "sslmode",
        Type::Choice(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]),
        Null,
        "Whether to use TLS, and what to check.",
    ),
    row("sslrootcert", Type::Path, Null, "The certificates to check the server's against."),
    row("sslcert", Type::Path, Null, "The client's certificate."),
    row("sslkey", Type::Path, Null, "The key of the client's certificate."),
    row("options", Type::Text, Null, "Options of the session, as in `-c statement_timeout=60000`."),
];
