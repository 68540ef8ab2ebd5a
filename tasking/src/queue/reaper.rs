//! The reaper: declares processes missing whose heartbeat stands still, and fails what they ran.
//!
//! An observer trusts only what it has seen itself: a counter that did not move for the process's whole time
//! to live, over its own uninterrupted connection. A failed look, or a look that comes late because the
//! observer was stopped itself, restarts the grace period; so an outage of Postgres costs no process its
//! registration.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entities::{Settings, db};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::cleanup;
use crate::queue::heartbeat::beat_interval;
use crate::queue::repeats::Repeats;
use crate::queue::rows;
use crate::queue::style::Style;

/// A process that was reaped.
#[derive(Debug)]
pub(crate) struct Reaped {
    /// The tasks that failed by that.
    pub(crate) ended: Vec<Uuid>,
}

/// Whose beats are watched.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Watched {
    /// Those of all processes.
    All,
    /// Those of one.
    Only(Uuid),
}

/// The beats of live processes, or of the one that is given, and whether there can be any: a server that
/// takes no changes takes no beats.
const BEATS: &str = "SELECT pulp_id, kind, counter, current_setting('transaction_read_only')::boolean
                     FROM process JOIN process_beat ON process_id = pulp_id
                     WHERE gone_at IS NULL AND ($1::uuid IS NULL OR pulp_id = $1)";

/// Ends the sessions of a process.
const END_SESSIONS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                            WHERE application_name = $1 AND usename = current_user";

/// Beats as they were seen.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    seen: HashMap<Uuid, (i64, Instant)>,
    last: Option<Instant>,
}

impl Observer {
    /// Takes in one look, after which the next one is due in `interval`: process, counter and time to live of
    /// each. Returns which have been silent too long.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        interval: Duration,
        beats: &[(Uuid, i64, Duration)],
    ) -> Vec<(Uuid, i64)> {
        let patience = interval * 3 + Duration::from_secs(1);
        if self.last.is_none_or(|last| now.duration_since(last) > patience) {
            self.seen.clear();
        }
        self.last = Some(now);
        let mut seen = HashMap::with_capacity(beats.len());
        let mut silent = Vec::new();
        for (id, counter, ttl) in beats {
            let since = match self.seen.get(id) {
                Some((before, since)) if before == counter => *since,
                _ => now,
            };
            seen.insert(*id, (*counter, since));
            if now.duration_since(since) > *ttl {
                silent.push((*id, *counter));
            }
        }
        self.seen = seen;
        silent
    }

    /// What comes now was not seen without interruption.
    pub(crate) fn forget(&mut self) {
        *self = Observer::default();
    }
}

/// Watches processes, and tells of those it has reaped, until the receiver is dropped. With `epoch` it acts
/// only while that is the leader's.
pub(crate) async fn watch(
    settings: Arc<Settings>,
    epoch: Option<i64>,
    watched: Watched,
    told: mpsc::Sender<Reaped>,
) {
    let shortest = settings.worker_ttl.min(settings.api_app_ttl).min(settings.content_app_ttl);
    let interval = beat_interval(shortest);
    let mut observer = Observer::default();
    let mut connection: Option<DatabaseConnection> = None;
    let mut cleaned = Instant::now();
    let unreadable = Repeats::default();
    while !told.is_closed() {
        let look = look(&mut connection, &settings, &mut observer, interval, (epoch, watched), &told);
        match tokio::time::timeout(shortest.max(Duration::from_secs(2)), look).await {
            Ok(Ok(reaped)) => {
                unreadable.over();
                if matches!(watched, Watched::All)
                    && let Some(db) = &connection
                    && (reaped || cleaned.elapsed() > Duration::from_secs(60))
                {
                    cleaned = Instant::now();
                    if let Err(error) = cleanup::incomplete(db, cleanup::Of::EndedTasks).await {
                        tracing::warn!(%error, "cannot remove what ended tasks left incomplete; it will be retried");
                    }
                }
            }
            Ok(Err(error)) => {
                if let Some(times) = unreadable.due() {
                    tracing::warn!(%error, times, "cannot read the heartbeats; restarting the grace period");
                }
                observer.forget();
                connection = None;
            }
            Err(_) => {
                if let Some(times) = unreadable.due() {
                    tracing::warn!(times, "reading the heartbeats timed out; restarting the grace period");
                }
                observer.forget();
                connection = None;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = told.closed() => return,
        }
    }
}

async fn look(
    connection: &mut Option<DatabaseConnection>,
    settings: &Settings,
    observer: &mut Observer,
    interval: Duration,
    (epoch, watched): (Option<i64>, Watched),
    told: &mpsc::Sender<Reaped>,
) -> Result<bool, DbErr> {
    let db = match connection {
        Some(connection) => &*connection,
        None => &*connection.insert(db::connect_with(settings, "pulpcore observer", 1, &[]).await?),
    };
    let only = match watched {
        Watched::All => None,
        Watched::Only(process) => Some(process),
    };
    let beats: Vec<(Uuid, String, i64, bool)> = rows::tuples(db, db::sql(BEATS, [only.into()])).await?;
    if beats.iter().any(|(.., read_only)| *read_only) {
        return Err(DbErr::Custom("the database takes no changes: it is read-only".to_owned()));
    }
    let ttl = |kind: &str| match kind {
        "api" => settings.api_app_ttl,
        "content" => settings.content_app_ttl,
        _ => settings.worker_ttl,
    };
    let beats: Vec<_> = beats.iter().map(|(id, kind, counter, _)| (*id, *counter, ttl(kind))).collect();
    let silent = observer.look(Instant::now(), interval, &beats);
    let mut any = false;
    for (process, counter) in silent {
        if let Some(ended) = reap(db, Style::of(settings), process, counter, epoch).await? {
            tracing::warn!(%process, tasks = ended.len(), "a process is missing: it did not beat for its time to live");
            any = true;
            if told.send(Reaped { ended }).await.is_err() {
                break;
            }
        }
    }
    Ok(any)
}

/// One attempt. If another session holds a row that is needed, the process's own sessions are ended, for the
/// next attempt.
async fn reap(
    db: &DatabaseConnection,
    style: Style,
    process: Uuid,
    counter: i64,
    epoch: Option<i64>,
) -> Result<Option<Vec<Uuid>>, DbErr> {
    let values = [process.into(), counter.into(), epoch.into()];
    match rows::value(db, db::sql(style.reap(), values)).await {
        Ok(failed) => Ok(failed),
        Err(error) if db::code(&error).as_deref() == Some("55P03") => {
            tracing::warn!(%process, "a missing process holds locks; ending its sessions");
            db.execute_raw(db::sql(END_SESSIONS, [process.to_string().into()])).await?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(30);
    const INTERVAL: Duration = Duration::from_secs(3);

    #[test]
    fn only_a_counter_that_stands_still_under_watch_is_silent() {
        let (start, id) = (Instant::now(), Uuid::new_v4());
        let mut observer = Observer::default();
        let mut silent_after = |counters: &dyn Fn(u64) -> i64, looks: &[u64]| {
            observer.forget();
            looks.iter().any(|seconds| {
                let now = start + Duration::from_secs(*seconds);
                !observer.look(now, INTERVAL, &[(id, counters(*seconds), TTL)]).is_empty()
            })
        };
        let every_five: Vec<u64> = (0..20).map(|look| look * 5).collect();
        assert!(silent_after(&|_| 7, &every_five));
        assert!(!silent_after(&|seconds| seconds as i64 / 20, &every_five), "it beats, if slowly");
        assert!(!silent_after(&|_| 7, &[0, 5, 60, 65, 120]), "the observer itself was away");
    }
}
