//! They are not alive: gives up processes whose beat stands still.
//!
//! An observer trusts only what it has seen itself: a counter that did not move for the process's whole time to live,
//! over its own uninterrupted connection. A failed look, or a look that comes late because the observer was stopped
//! itself, begins the count anew; so an outage of Postgres costs nobody their life.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entities::settings::WorkerStyle;
use entities::{Settings, db};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::cleanup;
use crate::queue::process::beat_interval;

/// A process that was given up.
#[derive(Debug)]
pub(crate) struct Reaped {
    /// The tasks that ended by that.
    pub(crate) ended: Vec<Uuid>,
}

/// Whose beats are watched.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Watched {
    /// Those of all processes.
    Everybody,
    /// Those of one.
    Only(Uuid),
}

/// Beats as they were seen.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    seen: HashMap<Uuid, (i64, Instant)>,
    last: Option<Instant>,
}

impl Observer {
    /// Takes in one look, after which the next one is due in `interval`: process, counter and time to live of everybody.
    /// Answers who has been silent too long.
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

/// Watches all processes, and tells of those it has given up, until the receiver is dropped. With `epoch` it acts
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
    while !told.is_closed() {
        let look = look(&mut connection, &settings, &mut observer, interval, (epoch, watched), &told);
        match tokio::time::timeout(shortest.max(Duration::from_secs(2)), look).await {
            Ok(Ok(reaped)) => {
                if matches!(watched, Watched::Everybody)
                    && let Some(db) = &connection
                    && (reaped || cleaned.elapsed() > Duration::from_secs(60))
                {
                    cleaned = Instant::now();
                    if let Err(error) = cleanup::incomplete(db, cleanup::Of::EndedTasks).await {
                        tracing::warn!(%error, "what ended tasks have left is not removed yet");
                    }
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the heartbeats cannot be read; counting begins anew");
                observer.forget();
                connection = None;
            }
            Err(_) => {
                tracing::warn!("the heartbeats were not read in time; counting begins anew");
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
    let sql = "SELECT pulp_id, kind, counter FROM process JOIN process_beat ON process_id = pulp_id
               WHERE gone_at IS NULL";
    let rows = match watched {
        Watched::Everybody => db.query_all_raw(db::sql(sql, [])).await?,
        Watched::Only(process) => {
            db.query_all_raw(db::sql(&format!("{sql} AND pulp_id = $1"), [process.into()])).await?
        }
    };
    let mut beats = Vec::with_capacity(rows.len());
    for row in &rows {
        let kind: String = row.try_get("", "kind")?;
        let ttl = match kind.as_str() {
            "api" => settings.api_app_ttl,
            "content" => settings.content_app_ttl,
            _ => settings.worker_ttl,
        };
        beats.push((row.try_get("", "pulp_id")?, row.try_get("", "counter")?, ttl));
    }
    let silent = observer.look(Instant::now(), interval, &beats);
    let mut any = false;
    for (process, counter) in silent {
        if let Some(ended) = give_up(db, settings.worker_style, process, counter, epoch).await? {
            tracing::warn!(%process, tasks = ended.len(), "a process has gone missing and is given up");
            any = true;
            if told.send(Reaped { ended }).await.is_err() {
                break;
            }
        }
    }
    Ok(any)
}

/// Gives a process up: process, counter, epoch. Answers the tasks that `ended`. Without Redis a note of them is written in
/// the same transaction.
pub(crate) fn statement(style: WorkerStyle) -> &'static str {
    match style {
        WorkerStyle::Redis => "SELECT declare_missing($1, $2, $3) AS ended",
        WorkerStyle::Postgres => "SELECT record_ended(declare_missing($1, $2, $3)) AS ended",
    }
}

/// One attempt. If somebody holds a row that is needed, the process's own sessions are ended, for the next attempt.
async fn give_up(
    db: &DatabaseConnection,
    style: WorkerStyle,
    process: Uuid,
    counter: i64,
    epoch: Option<i64>,
) -> Result<Option<Vec<Uuid>>, DbErr> {
    let sql = statement(style);
    let row = db.query_one_raw(db::sql(sql, [process.into(), counter.into(), epoch.into()])).await;
    match row {
        Ok(row) => Ok(row.map(|row| row.try_get("", "ended")).transpose()?.flatten()),
        Err(error) if db::code(&error).as_deref() == Some("55P03") => {
            tracing::warn!(%process, "a silent process holds locks; ending its sessions");
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE application_name = $1 AND usename = current_user";
            db.execute_raw(db::sql(sql, [process.to_string().into()])).await?;
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
