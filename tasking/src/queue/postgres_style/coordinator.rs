//! What one worker does for all: gives up those that are silent, ends what nobody runs, and cleans up.
//!
//! The coordinator is a row, taken over when its worker is gone, or does not act. The others watch the coordinator alone; so
//! nobody's cost grows with the number of workers but the coordinator's. Two coordinators for a moment do no harm.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entities::{Pulp, Settings, db};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::in_time;
use super::queue_mover::QueueMover;
use crate::queue::housekeeping;
use crate::queue::process::beat_interval;
use crate::queue::reaper::{self, Observer, Watched};

/// How often rows are looked for that no notice told of.
const SWEEP: Duration = Duration::from_secs(60);

/// How often notices are looked for that were committed late.
const LATE: Duration = Duration::from_secs(10);

/// How long a look at everything unfinished may take.
const SWEEP_BOUND: Duration = Duration::from_secs(30);

/// How long any other step may take: one that hangs would hold up the rest.
const BOUND: Duration = Duration::from_secs(5);

/// Ends sessions that hold the lock of the queue and wait for a client that does not go on: nobody else could move the
/// queue. What such a session does is done again by whoever comes next.
const UNSTICK: &str = "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
                       WHERE locktype = 'advisory' AND classid = lock_queue() AND granted
                         AND usename = current_user AND wait_event = 'ClientRead'
                         AND clock_timestamp() - xact_start > interval '3 seconds'";

/// The coordinator and its beat.
#[derive(Clone, Copy, Debug)]
struct Coordinator {
    id: Uuid,
    beat: i64,
}

/// A worker that takes part.
struct Member<'a> {
    pulp: &'a Pulp,
    db: &'a DatabaseConnection,
    worker: Uuid,
    queue_mover: &'a QueueMover,
    interval: Duration,
}

/// Takes part until it is dropped.
pub(crate) async fn serve(pulp: &Pulp, db: &DatabaseConnection, worker: Uuid, queue_mover: &QueueMover) {
    let interval = beat_interval(pulp.settings.worker_ttl);
    let candidate = Member { pulp, db, worker, queue_mover, interval };
    loop {
        match candidate.choose(None).await {
            Ok(Some(coordinator)) if coordinator.id == worker => candidate.coordinate().await,
            Ok(Some(coordinator)) => candidate.watch(coordinator.id).await,
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "it is not known who the coordinator is"),
        }
        tokio::time::sleep(interval).await;
    }
}

impl Member<'_> {
    /// Who is the coordinator, which may be this worker afterwards: if there is none, or if it is `still` at that beat.
    async fn choose(&self, still: Option<i64>) -> Result<Option<Coordinator>, DbErr> {
        let sql = "SELECT process_id, beat FROM elect_coordinator($1, $2) WHERE process_id IS NOT NULL";
        let row = self.db.query_one_raw(db::sql(sql, [self.worker.into(), still.into()])).await?;
        row.map(|row| Ok(Coordinator { id: row.try_get("", "process_id")?, beat: row.try_get("", "beat")? }))
            .transpose()
    }

    /// Watches the coordinator until it is another one: gives it up if its process is silent, and takes its place if it lives
    /// but does not act.
    async fn watch(&self, coordinator: Uuid) {
        let ttl = self.pulp.settings.worker_ttl;
        let (told, mut reaped) = mpsc::channel(1);
        let watching = reaper::watch(self.pulp.settings.clone(), None, Watched::Only(coordinator), told);
        let _watching = AbortOnDropHandle::new(tokio::spawn(watching));
        let mut observer = Observer::default();
        let mut still = None;
        loop {
            tokio::select! {
                Some(_) = reaped.recv() => self.queue_mover.promote(false),
                () = tokio::time::sleep(self.interval) => {}
            }
            match self.choose(still).await {
                Ok(Some(now)) if now.id == coordinator => {
                    let silent =
                        observer.look(Instant::now(), self.interval, &[(coordinator, now.beat, ttl)]);
                    still = silent.first().map(|(_, beat)| *beat);
                }
                Ok(_) => return,
                Err(_) => {
                    observer.forget();
                    still = None;
                }
            }
        }
    }

    /// Is the coordinator, and beats, until somebody else is.
    async fn coordinate(&self) {
        tracing::info!("this worker gives up silent ones and cleans up for all");
        let beats = async {
            loop {
                tokio::time::sleep(self.interval).await;
                if self.choose(None).await.is_ok_and(|now| now.is_none_or(|now| now.id != self.worker)) {
                    return;
                }
            }
        };
        tokio::select! {
            () = beats => {}
            () = self.act() => {}
        }
    }

    /// Does what a coordinator does.
    async fn act(&self) {
        let (db, queue_mover) = (self.db, self.queue_mover);
        let (told, mut reaped) = mpsc::channel(64);
        let watching = reaper::watch(self.pulp.settings.clone(), None, Watched::Everybody, told);
        let _watching = AbortOnDropHandle::new(tokio::spawn(watching));
        let _housekeeper = AbortOnDropHandle::new(tokio::spawn(housekeeping::run(self.pulp.clone())));
        let mut strangers = Strangers::new(&self.pulp.settings);
        let mut swept: Option<Instant> = None;
        let mut late = Instant::now();
        loop {
            if let Err(error) = in_time(BOUND, db.execute_raw(db::sql(UNSTICK, []))).await {
                tracing::debug!(%error, "it is not known whether a session holds the queue up");
            }
            if swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
                match in_time(SWEEP_BOUND, sweep(db)).await {
                    Ok(()) => swept = Some(Instant::now()),
                    Err(error) => {
                        tracing::warn!(%error, "forgotten tasks cannot be looked for; trying again");
                    }
                }
                queue_mover.promote(false);
            }
            if late.elapsed() >= LATE {
                late = Instant::now();
                let finding = db.execute_raw(db::sql("SELECT find_late_changes()", []));
                if let Err(error) = in_time(BOUND, finding).await {
                    tracing::debug!(%error, "late notices cannot be looked for; trying again");
                }
                queue_mover.promote(false);
            }
            match in_time(BOUND, strangers.look(db)).await {
                Ok(0) => {}
                Ok(tasks) => {
                    tracing::warn!(tasks, "tasks failed that no plugin of any process has");
                    queue_mover.promote(false);
                }
                Err(error) => tracing::debug!(%error, "the names of ready tasks cannot be read"),
            }
            tokio::select! {
                Some(_) = reaped.recv() => queue_mover.promote(false),
                () = tokio::time::sleep(self.interval) => {}
            }
        }
    }
}

/// Ends what runs nowhere, and finds what no notice told of.
async fn sweep(db: &DatabaseConnection) -> Result<(), DbErr> {
    for sql in [
        "SELECT record_ended(end_orphaned(NULL))",
        "SELECT find_missed_changes()",
        "DELETE FROM idle_worker WHERE process_id IN (SELECT pulp_id FROM process WHERE gone_at IS NOT NULL)",
    ] {
        db.execute_raw(db::sql(sql, [])).await?;
    }
    Ok(())
}

/// Ready tasks that no live worker knows.
struct Strangers {
    /// Since when, by name.
    since: HashMap<String, Instant>,
    /// How long a worker that knows them is waited for: during an update the new ones may come a little later.
    patience: Duration,
}

impl Strangers {
    fn new(settings: &Arc<Settings>) -> Strangers {
        Strangers { since: HashMap::new(), patience: settings.worker_ttl }
    }

    /// Fails those that have waited too long; answers how many.
    async fn look(&mut self, db: &DatabaseConnection) -> Result<usize, DbErr> {
        let row = db.query_one_raw(db::sql("SELECT unknown_task_names() AS names", [])).await?;
        let names: Vec<String> = row.map_or(Ok(Vec::new()), |row| row.try_get("", "names"))?;
        let now = Instant::now();
        let before = std::mem::take(&mut self.since);
        let mut due = Vec::new();
        for name in names {
            let since = before.get(&name).copied().unwrap_or(now);
            if now.duration_since(since) >= self.patience {
                due.push(name.clone());
            }
            self.since.insert(name, since);
        }
        if due.is_empty() {
            return Ok(0);
        }
        let row = db.query_one_raw(db::sql("SELECT fail_unclaimable($1) AS ended", [due.into()])).await?;
        let ended: Vec<Uuid> = row.map_or(Ok(Vec::new()), |row| row.try_get("", "ended"))?;
        Ok(ended.len())
    }
}
