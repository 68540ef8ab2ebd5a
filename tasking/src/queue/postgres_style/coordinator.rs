//! What one worker does for all: reaps missing processes, fails what no process runs, and cleans up.
//!
//! The coordinator is a row, taken over when its worker is gone, or does not act. The others watch the
//! coordinator alone, so only the coordinator's cost grows with the number of workers. Two coordinators for a
//! moment do no harm.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entities::{Pulp, Settings, db};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::in_time;
use super::queue_mover::QueueMover;
use crate::queue::heartbeat::beat_interval;
use crate::queue::housekeeping;
use crate::queue::reaper::{self, Observer, Watched};
use crate::queue::repeats::Repeats;
use crate::queue::rows;
use crate::queue::style::Style;

/// How often rows are looked for that no notice told of.
const SWEEP: Duration = Duration::from_secs(60);

/// How often notices are looked for that were committed late.
const LATE: Duration = Duration::from_secs(10);

/// How long a look at everything unfinished may take.
const SWEEP_BOUND: Duration = Duration::from_secs(30);

/// How long any other step may take: one that hangs would hold up the rest.
const BOUND: Duration = Duration::from_secs(5);

/// Ends sessions that hold the lock of the queue and wait for a client that does not go on: no other session
/// could move the queue. What such a session does is done again by the next one.
const UNSTICK: &str = "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
                       WHERE locktype = 'advisory' AND classid = lock_queue() AND granted
                         AND usename = current_user AND wait_event = 'ClientRead'
                         AND clock_timestamp() - xact_start > interval '3 seconds'";

/// Who is the coordinator: this worker, and the beat at which the present one stands still.
const CHOOSE: &str = "SELECT process_id, beat FROM elect_coordinator($1, $2) WHERE process_id IS NOT NULL";

/// Finds ready tasks and ends of which no notice was written.
const FIND_UNNOTICED: &str = "SELECT find_missed_changes()";

/// Takes processes that are gone from the sleepers.
const FORGET_SLEEPERS: &str = "DELETE FROM idle_worker
                               WHERE process_id IN (SELECT pulp_id FROM process WHERE gone_at IS NOT NULL)";

/// Finds notices that were committed late.
const FIND_LATE: &str = "SELECT find_late_changes()";

/// The names of ready tasks that are registered in no live worker.
const UNKNOWN_NAMES: &str = "SELECT unknown_task_names()";

/// Fails ready tasks of these names, and returns them.
const FAIL_UNCLAIMABLE: &str = "SELECT fail_unclaimable($1)";

/// The coordinator and its beat.
#[derive(Clone, Copy, Debug, FromQueryResult)]
struct Coordinator {
    #[sea_orm(from_alias = "process_id")]
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
    let member = Member { pulp, db, worker, queue_mover, interval };
    loop {
        match member.choose(None).await {
            Ok(Some(coordinator)) if coordinator.id == worker => member.coordinate().await,
            Ok(Some(coordinator)) => member.watch(coordinator.id).await,
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "cannot determine the coordinator"),
        }
        tokio::time::sleep(interval).await;
    }
}

impl Member<'_> {
    /// Who is the coordinator, which may be this worker afterwards: if there is none, or if it is `still` at
    /// that beat.
    async fn choose(&self, still: Option<i64>) -> Result<Option<Coordinator>, DbErr> {
        rows::first(self.db, db::sql(CHOOSE, [self.worker.into(), still.into()])).await
    }

    /// Watches the coordinator until it is another one: gives it up if its process is silent, and takes its
    /// place if it lives but does not act.
    async fn watch(&self, coordinator: Uuid) {
        let ttl = self.pulp.settings.worker_ttl;
        let (told, mut reaped) = mpsc::channel(1);
        let watching = reaper::watch(self.pulp.settings.clone(), None, Watched::Only(coordinator), told);
        let _watching = AbortOnDropHandle::new(tokio::spawn(watching));
        let mut observer = Observer::default();
        let mut still = None;
        loop {
            tokio::select! {
                Some(_) = reaped.recv() => self.queue_mover.move_soon(false),
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

    /// Is the coordinator, and beats, until another worker is.
    async fn coordinate(&self) {
        tracing::info!("this worker is now the coordinator (reaping, cleanup)");
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
        let watching = reaper::watch(self.pulp.settings.clone(), None, Watched::All, told);
        let _watching = AbortOnDropHandle::new(tokio::spawn(watching));
        let _housekeeper = AbortOnDropHandle::new(tokio::spawn(housekeeping::run(self.pulp.clone())));
        let mut unknown = UnknownNames::new(&self.pulp.settings);
        let mut swept: Option<Instant> = None;
        let unswept = Repeats::default();
        let mut late = Instant::now();
        loop {
            if let Err(error) = in_time(BOUND, db.execute_raw(db::sql(UNSTICK, []))).await {
                tracing::debug!(%error, "cannot check for sessions blocking the queue");
            }
            if swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
                match in_time(SWEEP_BOUND, sweep(db)).await {
                    Ok(()) => {
                        swept = Some(Instant::now());
                        unswept.over();
                    }
                    Err(error) => {
                        if let Some(times) = unswept.due() {
                            tracing::warn!(%error, times, "cannot sweep for abandoned tasks; retrying");
                        }
                    }
                }
                queue_mover.move_soon(false);
            }
            if late.elapsed() >= LATE {
                late = Instant::now();
                let finding = db.execute_raw(db::sql(FIND_LATE, []));
                if let Err(error) = in_time(BOUND, finding).await {
                    tracing::debug!(%error, "cannot look for late notices; retrying");
                }
                queue_mover.move_soon(false);
            }
            match in_time(BOUND, unknown.look(db)).await {
                Ok(0) => {}
                Ok(tasks) => {
                    tracing::warn!(tasks, "failed tasks whose type is registered in no live process");
                    queue_mover.move_soon(false);
                }
                Err(error) => tracing::debug!(%error, "cannot read the names of ready tasks"),
            }
            tokio::select! {
                Some(_) = reaped.recv() => queue_mover.move_soon(false),
                () = tokio::time::sleep(self.interval) => {}
            }
        }
    }
}

/// Ends what runs nowhere, and finds what no notice told of.
async fn sweep(db: &DatabaseConnection) -> Result<(), DbErr> {
    for sql in [Style::Postgres.reap_abandoned(), FIND_UNNOTICED, FORGET_SLEEPERS] {
        db.execute_raw(db::sql(sql, [])).await?;
    }
    Ok(())
}

/// Ready tasks that no live worker knows.
struct UnknownNames {
    /// Since when, by name.
    since: HashMap<String, Instant>,
    /// How long a worker that knows them is waited for: during an update the new ones may come a little
    /// later.
    patience: Duration,
}

impl UnknownNames {
    fn new(settings: &Arc<Settings>) -> UnknownNames {
        UnknownNames { since: HashMap::new(), patience: settings.worker_ttl }
    }

    /// Fails those that have waited too long; returns how many.
    async fn look(&mut self, db: &DatabaseConnection) -> Result<usize, DbErr> {
        let names: Vec<String> = rows::value(db, db::sql(UNKNOWN_NAMES, [])).await?;
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
        let ended: Vec<Uuid> = rows::value(db, db::sql(FAIL_UNCLAIMABLE, [due.into()])).await?;
        Ok(ended.len())
    }
}
