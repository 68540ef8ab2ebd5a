//! Settings, under Pulp's own names, typed.
//!
//! Each field is the setting of the same name in capitals. The values come from `/etc/pulp/settings.yaml` or
//! `.toml`, or the files that `PULP_SETTINGS` names, then from `PULP_…` variables of the environment, where
//! `__` leads into nested settings. What exists, with which types and defaults, is the table in `table`.

#[cfg(test)]
mod document;
mod known;
mod refused;
mod sentinel;
mod show;
mod sources;
mod style;
pub mod table;
#[cfg(test)]
mod tests;
mod types;
mod urls;
mod values;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::checksum::Algorithm;

pub use sentinel::Sentinel;
pub use show::Shown;
pub use types::Type;
pub use urls::hide_passwords;
pub use values::Source;
use values::Values;

/// Where settings files are looked for.
const DIRECTORY: &str = "/etc/pulp";

/// Which tasking system runs (`USE_NEW_WORKER_STYLE`, `USE_NEW_WORKER_TYPE`, `WORKER_TYPE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerStyle {
    /// Redis queues and a resource manager: `USE_NEW_WORKER_STYLE=false`, the default.
    Redis,
    /// Postgres only: `USE_NEW_WORKER_STYLE=true`.
    Postgres,
}

/// Text that is never shown: `Debug` prints asterisks.
#[derive(Clone, PartialEq, Eq)]
pub struct Masked(pub String);

impl std::fmt::Debug for Masked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("********")
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `<time> pulp [<correlation id>]: …`, for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Everything that can be set. Durations are seconds in the sources, unless they say otherwise.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `DATABASES["default"]`, as a connection URL with its password.
    pub database_url: Masked,
    /// `DATABASES["default"]["CONN_MAX"]`: connections one process keeps at most.
    pub database_connections: u32,
    /// `DATABASE_STATEMENT_TIMEOUT`: how long one statement of a request may take; zero is no limit.
    pub database_statement_timeout: Duration,
    /// `DATABASE_LOCK_TIMEOUT`: how long a request may wait for a lock in Postgres; zero is no limit.
    pub database_lock_timeout: Duration,
    /// `REDIS_URL`, or the URL made of `REDIS_HOST`, `REDIS_PORT`, …; `None` if Redis is not configured. With
    /// sentinels its host and port have no meaning.
    pub redis_url: Option<Masked>,
    /// `REDIS_SENTINEL`: the sentinels that monitor Redis.
    pub redis_sentinel: Option<Sentinel>,
    /// `REDIS_SSL_CA_CERTS`: the authorities trusted for TLS, instead of the system's.
    pub redis_ca_certs: Option<PathBuf>,
    /// `REDIS_KEY_PREFIX`: put before every key, so that installations can share a database. Ends with a
    /// separator.
    pub redis_key_prefix: String,
    /// `SECRET_KEY`: signs cookies and guarded URLs.
    pub secret_key: Masked,
    /// `DB_ENCRYPTION_KEY`: the file with the keys of stored secrets.
    pub db_encryption_key: PathBuf,
    /// `MEDIA_ROOT`: where artifacts are.
    pub media_root: PathBuf,
    /// `WORKING_DIRECTORY`: where tasks have their directories.
    pub working_directory: PathBuf,
    /// `CHUNKED_UPLOAD_DIR`: below `MEDIA_ROOT`, where chunks are.
    pub chunked_upload_dir: String,
    /// `CONTENT_ORIGIN`: scheme and host of the content app as clients see it; without it, URLs are relative.
    pub content_origin: Option<String>,
    /// `API_ROOT`: the REST API is at `api/v3/` below this path.
    pub api_root: String,
    /// `API_ROOT_REWRITE_HEADER`: a request header that holds another root, as a proxy serves it.
    pub api_root_rewrite_header: Option<String>,
    /// `CONTENT_PATH_PREFIX`: starts and ends with a slash.
    pub content_path_prefix: String,
    /// `WORKER_STYLE`'s outcome.
    pub worker_style: WorkerStyle,
    /// `WORKER_TTL`: how long after its last heartbeat a worker is considered missing.
    pub worker_ttl: Duration,
    /// `API_APP_TTL`: likewise for API processes.
    pub api_app_ttl: Duration,
    /// `CONTENT_APP_TTL`: likewise for content processes.
    pub content_app_ttl: Duration,
    /// `RESOURCE_MANAGER_LEASE`: how long a resource manager leads without renewing.
    pub resource_manager_lease: Duration,
    /// `TASK_GRACE_INTERVAL`: how long a task may continue after SIGINT.
    pub task_grace_interval: Duration,
    /// `TASK_CANCEL_INTERVAL`: how long a canceled task may take to stop before its worker is shut down.
    pub task_cancel_interval: Duration,
    /// `ALLOWED_CONTENT_CHECKSUMS`.
    pub allowed_content_checksums: BTreeSet<Algorithm>,
    /// `ALLOWED_IMPORT_PATHS`: where `file://` URLs may point.
    pub allowed_import_paths: Vec<PathBuf>,
    /// `ORPHAN_PROTECTION_TIME`, in minutes.
    pub orphan_protection_time: Duration,
    /// `ORPHAN_CLEANUP_INTERVAL`, in minutes; zero is never.
    pub orphan_cleanup_interval: Duration,
    /// `TASK_PROTECTION_TIME`, in minutes; zero keeps tasks for ever.
    pub task_protection_time: Duration,
    /// `UPLOAD_PROTECTION_TIME`, in minutes; zero keeps uploads for ever.
    pub upload_protection_time: Duration,
    /// `TMPFILE_PROTECTION_TIME`, in minutes; zero leaves unfinished files to the daily sweep.
    pub tmpfile_protection_time: Duration,
    /// `MAX_CONCURRENT_CONTENT`: units in flight in a sync.
    pub max_concurrent_content: usize,
    /// `REMOTE_CONTENT_FETCH_FAILURE_COOLDOWN`: how long a source that gave wrong bytes is left alone.
    pub remote_content_fetch_failure_cooldown: Duration,
    /// `LOG_FORMAT`: `text` or `json`.
    pub log_format: LogFormat,
    /// `LOG_LEVEL`: a filter of the `tracing` kind, such as `info` or `warn,tasking=debug`.
    pub log_level: String,
}

/// The loaded settings, with warnings and sources.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Warnings to log once logging works; one line each.
    pub warnings: Vec<String>,
    /// Every setting with its value and source, secrets masked.
    pub shown: Vec<Shown>,
}

/// Loads the settings of this process.
///
/// # Errors
/// One line per setting that is wrong, with its name, its source and what to write.
pub fn load() -> anyhow::Result<Loaded> {
    let environment: Vec<_> = std::env::vars_os().collect();
    load_from(&environment, Path::new(DIRECTORY))
}

/// As [`load`], from an environment and a directory of settings files.
///
/// # Errors
/// As [`load`].
pub fn load_from(environment: &[(OsString, OsString)], directory: &Path) -> anyhow::Result<Loaded> {
    let mut values = sources::read(environment, directory)?;
    let style = style::decide(&values).map_err(|problem| values.problems.push(problem)).ok();
    let sentinel = sentinel::sentinel(&values).map_err(|problem| values.problems.push(problem)).ok();
    let redis_url = urls::redis(&values, matches!(sentinel, Some(Some(_))));
    let redis_url = redis_url.map_err(|problem| values.problems.push(problem)).ok();
    let (Some(worker_style), Some(redis_url), Some(sentinel), []) =
        (style, redis_url, sentinel, values.problems.as_slice())
    else {
        anyhow::bail!("{}", values.problems.join("\n"));
    };
    let shown = show::all(&values);
    let mut settings = Settings::from_values(&values, worker_style, redis_url)?;
    settings.redis_sentinel = sentinel;
    Ok(Loaded { settings, warnings: values.warnings, shown })
}

impl Settings {
    fn from_values(
        values: &Values,
        worker_style: WorkerStyle,
        redis_url: Option<Masked>,
    ) -> anyhow::Result<Settings> {
        Ok(Settings {
            database_url: urls::database(values),
            database_connections: values.get("DATABASES.default.CONN_MAX")?,
            database_statement_timeout: values.seconds("DATABASE_STATEMENT_TIMEOUT")?,
            database_lock_timeout: values.seconds("DATABASE_LOCK_TIMEOUT")?,
            redis_url,
            redis_sentinel: None,
            redis_ca_certs: values.get("REDIS_SSL_CA_CERTS")?,
            redis_key_prefix: separated(values.get("REDIS_KEY_PREFIX")?),
            secret_key: Masked(values.get("SECRET_KEY")?),
            db_encryption_key: values.get("DB_ENCRYPTION_KEY")?,
            media_root: values.get("MEDIA_ROOT")?,
            working_directory: values.get("WORKING_DIRECTORY")?,
            chunked_upload_dir: values.get("CHUNKED_UPLOAD_DIR")?,
            content_origin: values.get("CONTENT_ORIGIN")?,
            api_root: values.get("API_ROOT")?,
            api_root_rewrite_header: values.get("API_ROOT_REWRITE_HEADER")?,
            content_path_prefix: values.get("CONTENT_PATH_PREFIX")?,
            worker_style,
            worker_ttl: values.seconds("WORKER_TTL")?,
            api_app_ttl: values.seconds("API_APP_TTL")?,
            content_app_ttl: values.seconds("CONTENT_APP_TTL")?,
            resource_manager_lease: values.seconds("RESOURCE_MANAGER_LEASE")?,
            task_grace_interval: values.seconds("TASK_GRACE_INTERVAL")?,
            task_cancel_interval: values.seconds("TASK_CANCEL_INTERVAL")?,
            allowed_content_checksums: values.get("ALLOWED_CONTENT_CHECKSUMS")?,
            allowed_import_paths: values.get("ALLOWED_IMPORT_PATHS")?,
            orphan_protection_time: values.minutes("ORPHAN_PROTECTION_TIME")?,
            orphan_cleanup_interval: values.minutes("ORPHAN_CLEANUP_INTERVAL")?,
            task_protection_time: values.minutes("TASK_PROTECTION_TIME")?,
            upload_protection_time: values.minutes("UPLOAD_PROTECTION_TIME")?,
            tmpfile_protection_time: values.minutes("TMPFILE_PROTECTION_TIME")?,
            max_concurrent_content: values.get("MAX_CONCURRENT_CONTENT")?,
            remote_content_fetch_failure_cooldown: values.seconds("REMOTE_CONTENT_FETCH_FAILURE_COOLDOWN")?,
            log_format: match values.text("LOG_FORMAT").as_str() {
                "json" => LogFormat::Json,
                _ => LogFormat::Text,
            },
            log_level: values.get("LOG_LEVEL")?,
        })
    }
}

/// A prefix with a colon behind it, if it ends with a letter or a digit: names would run into it.
fn separated(mut prefix: String) -> String {
    if prefix.ends_with(char::is_alphanumeric) {
        prefix.push(':');
    }
    prefix
}
