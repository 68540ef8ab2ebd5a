//! The private Postgres: made once, started, waited for.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::find::{self, Postgres};
use super::{DATABASE, DataDirectory};
use crate::supervise::{Child, Part, Show, Supervisor};

/// Only the name of the socket depends on it; nothing listens on such a port.
pub(crate) const PORT: &str = "5432";

/// How long it may take until it answers: after a crash it first repeats its log.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// What is worth showing of its log: what is fatal to a session is told to its client, what is fatal to the
/// start is in its obituary.
const SERIOUS: Show = Show::Containing(&["WARNING:", "PANIC:"]);

/// Settings that suit a laptop; the others are Postgres's own.
const SETTINGS: [&str; 4] = ["listen_addresses=", "shared_buffers=64MB", "log_checkpoints=off", "jit=off"];

/// Sessions that Postgres takes, if nothing else is wanted.
pub(crate) const SESSIONS: u32 = 200;

/// What `durable: false` adds: a crash of the machine may cost the data.
const CARELESS: [&str; 3] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/// The URL of `database`.
pub(crate) fn url(directory: &DataDirectory, database: &str) -> String {
    let host = directory.sockets().display().to_string();
    let host: String = url_encoded(&host);
    format!("postgres://{DATABASE}@localhost:{PORT}/{database}?host={host}")
}

/// Starts the server on its data, which is made if it is not there, and waits until the database can be used.
pub(crate) async fn start(
    supervisor: &Supervisor,
    directory: &DataDirectory,
    durable: bool,
    sessions: u32,
) -> anyhow::Result<Child> {
    let data = directory.path().join("postgres");
    let installed = find::postgres(version_of(&data)?)?;
    if let Some(account) = directory.account() {
        account.check(&installed.server, directory.path())?;
    }
    if !data.exists() {
        create(supervisor, directory, &installed, &data, durable).await?;
    }
    remove_stale_lock(&data)?;

    let mut command = program(directory, &installed.server);
    command.arg("-D").arg(&data).arg("-p").arg(PORT).arg("-k").arg(directory.sockets());
    command.arg("-c").arg(format!("max_connections={sessions}"));
    let careless: &[&str] = if durable { &[] } else { &CARELESS };
    for setting in SETTINGS.iter().chain(careless) {
        command.arg("-c").arg(setting);
    }
    let part = Part { name: "postgres".into(), command, on_death: Signal::INT, show: SERIOUS, input: None };
    let server = Child::start(supervisor, part).await?;
    tokio::select! {
        status = server.ended() => return Err(server.obituary(status)),
        ready = tokio::time::timeout(READY_WITHIN, ready(directory)) => {
            ready.with_context(|| format!("Postgres did not answer within {READY_WITHIN:?}"))??;
        }
    }
    Ok(server)
}

/// Fills a new folder beside and moves it into place when it is whole.
async fn create(
    supervisor: &Supervisor,
    directory: &DataDirectory,
    installed: &Postgres,
    data: &Path,
    durable: bool,
) -> anyhow::Result<()> {
    supervisor.output.say(format!("creating a Postgres {} database …", installed.major)).await;
    let unfinished = directory.path().join("postgres.new");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished)
            .with_context(|| format!("cannot remove {}", unfinished.display()))?;
    }
    directory.folder("postgres.new", true)?;
    let mut command = program(directory, &installed.initdb);
    command.arg("-D").arg(&unfinished).args(["--auth=trust", "--locale=C", "--encoding=UTF8"]);
    command.arg(format!("--username={DATABASE}"));
    if !durable {
        command.arg("--no-sync");
    }
    let show = Show::Containing(&[]);
    let initdb = Child::start(
        supervisor,
        Part { name: "initdb".into(), command, on_death: Signal::KILL, show, input: None },
    )
    .await?;
    let status = initdb.ended().await;
    if !status.success() {
        return Err(initdb.obituary(status));
    }
    std::fs::rename(&unfinished, data).with_context(|| format!("cannot create {}", data.display()))
}

/// `program` as the right account, in a folder it can enter.
fn program(directory: &DataDirectory, program: &Path) -> Command {
    let mut command = super::without_settings(program);
    command.current_dir(directory.path());
    if let Some(account) = directory.account() {
        account.apply(&mut command);
    }
    command
}

/// The version that made the data, if there is data.
fn version_of(data: &Path) -> anyhow::Result<Option<u32>> {
    match std::fs::read_to_string(data.join("PG_VERSION")) {
        Ok(text) => {
            let version = text.trim().split('.').next().unwrap_or_default().parse();
            Ok(Some(
                version.with_context(|| format!("{} holds no version", data.join("PG_VERSION").display()))?,
            ))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(error).with_context(|| format!("cannot read {}", data.join("PG_VERSION").display()))
        }
    }
}

/// Removes what a killed Postgres leaves behind. Postgres does so itself unless the number of its process has
/// been given to another one since, which is common in containers; then it refuses to start.
///
/// # Errors
/// If the process is a Postgres on these data.
fn remove_stale_lock(data: &Path) -> anyhow::Result<()> {
    let path = data.join("postmaster.pid");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(()) };
    let pid = text.lines().next().unwrap_or_default().trim();
    // Postgres stands in its data directory. Where there is no /proc, its own check has to do.
    if !Path::new("/proc/self").exists() {
        return Ok(());
    }
    let stands_in = std::fs::read_link(Path::new("/proc").join(pid).join("cwd"));
    anyhow::ensure!(
        stands_in.map_or(true, |folder| folder != data),
        "a Postgres (process {pid}) already runs on {}: stop it, or choose another directory with --data",
        data.display()
    );
    std::fs::remove_file(&path).with_context(|| format!("cannot remove the stale {}", path.display()))
}

/// Connects until it works, and creates the database if it is not there.
async fn ready(directory: &DataDirectory) -> anyhow::Result<()> {
    let options: PgConnectOptions = url(directory, "postgres").parse()?;
    let mut connection = loop {
        match PgConnection::connect_with(&options).await {
            Ok(connection) => break connection,
            Err(sqlx::Error::Io(_) | sqlx::Error::Database(_)) => {
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
            Err(error) => return Err(error).context("cannot connect to the private Postgres"),
        }
    };
    let found = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(DATABASE);
    if connection.fetch_optional(found).await?.is_none() {
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {DATABASE}"))).await?;
    }
    Ok(connection.close().await?)
}

/// `text` as the value of a URL's query.
fn url_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_of_a_process_that_is_something_else_is_removed() {
        let data = tempfile::tempdir().unwrap();
        let lock = data.path().join("postmaster.pid");
        std::fs::write(&lock, format!("{}\n/somewhere\n", std::process::id())).unwrap();
        remove_stale_lock(data.path()).unwrap();
        assert!(!lock.exists());
        remove_stale_lock(data.path()).unwrap();
    }

    #[test]
    fn values_of_a_query_are_encoded() {
        assert_eq!(url_encoded("/tmp/a b&c/run"), "/tmp/a%20b%26c/run");
    }
}
