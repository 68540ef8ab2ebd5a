//! The row and the heartbeat of a process.
//!
//! A process is a UUID drawn at its start; its label, usually `<pid>@<host>`, is for people and for the name
//! of its queue. A label in use is refused only while its holder's beat is seen to advance.

use std::time::Duration;

use entities::{Error, Pulp, Result, db};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::queue::backoff::Backoff;
use crate::queue::heartbeat::{Heartbeat, beat_interval};
use crate::queue::style::Style;
use crate::queue::{guard, rows};

/// The label under which the resource manager that leads is listed.
pub const RESOURCE_MANAGER: &str = "resource-manager";

/// How long a process tries to record that it stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// Registers a process with its heartbeat, unless a live one of its kind has its name.
const REGISTER: &str = "WITH process AS (
                            INSERT INTO process (pulp_id, kind, name, versions, tasks, style)
                            VALUES ($1, $2, $3, $4, $5, $6)
                            ON CONFLICT (kind, name) WHERE gone_at IS NULL DO NOTHING RETURNING pulp_id)
                        INSERT INTO process_beat (process_id) SELECT pulp_id FROM process";

/// The live process of a kind and name, with its heartbeat.
const HOLDER: &str = "SELECT pulp_id, counter FROM process JOIN process_beat ON process_id = pulp_id
                      WHERE kind = $1 AND name = $2 AND gone_at IS NULL";

/// Records that a process has stopped.
const STOP: &str = "UPDATE process SET gone_at = clock_timestamp(), pulp_last_updated = clock_timestamp()
                    WHERE pulp_id = $1 AND gone_at IS NULL";

/// What a process is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessKind {
    /// Serves the REST API.
    Api,
    /// Serves content.
    Content,
    /// Runs tasks.
    Worker,
    /// Routes tasks to workers.
    ResourceManager,
}

impl ProcessKind {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            ProcessKind::Api => "api",
            ProcessKind::Content => "content",
            ProcessKind::Worker => "worker",
            ProcessKind::ResourceManager => "resource-manager",
        }
    }
}

/// A process that is registered. Dropped without [`Registration::stop`], its heartbeat stops, and it is
/// reaped after its time to live.
#[derive(Debug)]
pub struct Registration {
    id: Uuid,
    db: DatabaseConnection,
    heartbeat: Heartbeat,
}

impl Registration {
    /// Makes the process known as `name`, with the names of the `tasks` that it can run, and begins to beat.
    /// `ttl` is how long the others take its silence.
    ///
    /// # Errors [`Error::Conflict`] if a process of this kind and name is alive, or a worker of the other
    /// style of tasking. If one is listed but silent, this waits for `ttl` and then replaces it.
    pub async fn start(
        pulp: &Pulp,
        kind: ProcessKind,
        name: &str,
        tasks: &[&str],
        ttl: Duration,
    ) -> anyhow::Result<Registration> {
        let id = Uuid::new_v4();
        let style = Style::of(&pulp.settings);
        loop {
            match insert(&pulp.db, id, kind, name, tasks, style).await {
                Ok(true) => break,
                Ok(false) => replace_silent(&pulp.db, kind, name, ttl, style).await?,
                Err(error) if guard::is_refusal(&error) => guard::make_way(&pulp.db, style, ttl).await?,
                Err(error) => return Err(Error::from(error).into()),
            }
        }
        Registration::adopt(pulp, id, ttl)
    }

    /// Begins to beat for a row that is there already.
    pub(crate) fn adopt(pulp: &Pulp, id: Uuid, ttl: Duration) -> anyhow::Result<Registration> {
        let heartbeat = Heartbeat::start(&pulp.settings, id, ttl)?;
        Ok(Registration { id, db: pulp.db.clone(), heartbeat })
    }

    /// The process's identity.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Fires when the process was reaped: nothing it does counts any more.
    pub fn gone(&self) -> &CancellationToken {
        self.heartbeat.gone()
    }

    /// How long ago the last successful beat was sent.
    pub fn silence(&self) -> Duration {
        self.heartbeat.silence()
    }

    /// Records that the process stops, so that no other waits for it. A broken connection is no reason to
    /// leave without a word: it is tried again for some seconds.
    ///
    /// # Errors
    /// If the database does not take it in time.
    pub async fn stop(self) -> Result<()> {
        let said = async {
            let mut backoff = Backoff::default();
            loop {
                match self.db.execute_raw(db::sql(STOP, [self.id.into()])).await {
                    Err(error) if db::is_passing(&error) => backoff.pause().await,
                    other => return other,
                }
            }
        };
        let late = |_| Error::Unavailable(format!("the database did not answer within {FAREWELL:?}"));
        tokio::time::timeout(FAREWELL, said).await.map_err(late)??;
        Ok(())
    }
}

/// `<pid>@<host>`, the label of a process that was not given one (T32).
pub fn default_name() -> String {
    format!("{}@{}", std::process::id(), host())
}

/// A given label, with `%h` replaced by the name of the host (T32).
pub fn expand_name(name: &str) -> String {
    name.replace("%h", &host())
}

fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// What a process says about its components.
pub(crate) fn versions() -> serde_json::Value {
    serde_json::json!({ "core": entities::API_LEVEL })
}

/// False if the label is taken.
async fn insert(
    db: &DatabaseConnection,
    id: Uuid,
    kind: ProcessKind,
    name: &str,
    tasks: &[&str],
    style: Style,
) -> Result<bool, DbErr> {
    let tasks: Vec<String> = tasks.iter().map(|name| (*name).to_owned()).collect();
    let style = style.name().into();
    let values = [id.into(), kind.as_str().into(), name.into(), versions().into(), tasks.into(), style];
    Ok(db.execute_raw(db::sql(REGISTER, values)).await?.rows_affected() > 0)
}

/// Reaps the holder of a label, if its heartbeat stands still for `ttl`.
async fn replace_silent(
    db: &DatabaseConnection,
    kind: ProcessKind,
    name: &str,
    ttl: Duration,
    style: Style,
) -> Result<()> {
    let mut first: Option<(Uuid, i64)> = None;
    let since = Instant::now();
    loop {
        let holders = rows::tuples(db, db::sql(HOLDER, [kind.as_str().into(), name.into()])).await?;
        let Some(seen) = holders.first().copied() else { return Ok(()) };
        if *first.get_or_insert(seen) != seen {
            let kind = kind.as_str();
            return Err(Error::Conflict(format!(
                "A {kind} called {name} is running: its heartbeat advances. Stop it, or start this one with \
                 another name."
            )));
        }
        if since.elapsed() >= ttl {
            let epoch: Option<i64> = None;
            let values = [seen.0.into(), seen.1.into(), epoch.into()];
            db.execute_raw(db::sql(style.reap(), values)).await?;
            return Ok(());
        }
        tokio::time::sleep(beat_interval(ttl)).await;
    }
}
