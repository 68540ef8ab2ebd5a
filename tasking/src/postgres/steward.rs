//! What one worker does for all: gives up those that are silent, ends what nobody runs, and cleans up.
//!
//! The steward is a row, taken over when its worker is gone. The others watch the heartbeat of the steward alone; so
//! nobody's cost grows with the number of workers but the steward's. Two stewards for a moment do no harm.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entities::{Pulp, Settings, db};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::promoter::Promoter;
use crate::giving_up::{self, Watched};
use crate::process::beat_interval;
use crate::resource_manager::housekeeping;

/// How often rows are looked for that no notice told of.
const SWEEP: Duration = Duration::from_secs(60);

/// How often notices are looked for that were committed late.
const LATE: Duration = Duration::from_secs(10);

/// Ends sessions that hold the promoter's lock and wait for a client that does not go on: nobody else could move the
/// queue. What such a session does is done again by whoever comes next.
const UNSTICK: &str = "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
                       WHERE locktype = 'advisory' AND classid = 20561 AND granted
                         AND usename = current_user AND wait_event = 'ClientRead'
                         AND clock_timestamp() - xact_start > interval '3 seconds'";

/// Takes part until it is dropped.
pub(crate) async fn serve(pulp: Pulp, db: DatabaseConnection, worker: Uuid, promoter: Promoter) {
    let interval = beat_interval(pulp.settings.worker_ttl);
    loop {
        match choose(&db, worker).await {
            Ok(Some(steward)) if steward == worker => preside(&pulp, &db, worker, &promoter, interval).await,
            Ok(Some(steward)) => {
                let (told, given_up) = mpsc::channel(1);
                let watching = giving_up::watch(pulp.settings.clone(), None, Watched::Only(steward), told);
                wait_for_a_change(&db, worker, steward, interval, watching, given_up, &promoter).await;
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "it is not known who the steward is"),
        }
        tokio::time::sleep(interval).await;
    }
}

async fn choose(db: &DatabaseConnection, worker: Uuid) -> Result<Option<Uuid>, DbErr> {
    let row = db.query_one_raw(db::sql("SELECT choose_steward($1) AS steward", [worker.into()])).await?;
    row.map_or(Ok(None), |row| row.try_get("", "steward"))
}

/// Watches the steward until it is another one.
async fn wait_for_a_change(
    db: &DatabaseConnection,
    worker: Uuid,
    steward: Uuid,
    interval: Duration,
    watching: impl Future<Output = ()> + Send + 'static,
    mut given_up: mpsc::Receiver<giving_up::GivenUp>,
    promoter: &Promoter,
) {
    let _watching = AbortOnDropHandle::new(tokio::spawn(watching));
    loop {
        tokio::select! {
            Some(_) = given_up.recv() => promoter.promote(false),
            () = tokio::time::sleep(interval) => {}
        }
        if choose(db, worker).await.is_ok_and(|now| now != Some(steward)) {
            return;
        }
    }
}

/// Is the steward, until the row says otherwise.
async fn preside(
    pulp: &Pulp,
    db: &DatabaseConnection,
    worker: Uuid,
    promoter: &Promoter,
    interval: Duration,
) {
    tracing::info!("this worker gives up silent ones and cleans up for all");
    let (told, mut given_up) = mpsc::channel(64);
    let watching = giving_up::watch(pulp.settings.clone(), None, Watched::Everybody, told);
    let _watching = AbortOnDropHandle::new(tokio::spawn(watching));
    let _housekeeper = AbortOnDropHandle::new(tokio::spawn(housekeeping::run(pulp.clone())));
    let mut strangers = Strangers::new(&pulp.settings);
    let mut swept: Option<Instant> = None;
    let mut late = Instant::now();
    loop {
        if swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
            match sweep(db).await {
                Ok(()) => swept = Some(Instant::now()),
                Err(error) => tracing::warn!(%error, "forgotten tasks cannot be looked for; trying again"),
            }
            promoter.promote(false);
        }
        if late.elapsed() >= LATE {
            late = Instant::now();
            if let Err(error) = db.execute_raw(db::sql("SELECT find_late_notices()", [])).await {
                tracing::debug!(%error, "late notices cannot be looked for; trying again");
            }
            promoter.promote(false);
        }
        if let Err(error) = db.execute_raw(db::sql(UNSTICK, [])).await {
            tracing::debug!(%error, "it is not known whether a session holds the queue up");
        }
        match strangers.look(db).await {
            Ok(0) => {}
            Ok(tasks) => {
                tracing::warn!(tasks, "tasks failed that no plugin of any process has");
                promoter.promote(false);
            }
            Err(error) => tracing::debug!(%error, "the names of ready tasks cannot be read"),
        }
        tokio::select! {
            Some(_) = given_up.recv() => promoter.promote(false),
            () = tokio::time::sleep(interval) => {}
        }
        if choose(db, worker).await.is_ok_and(|now| now != Some(worker)) {
            return;
        }
    }
}

/// Ends what runs nowhere, and finds what no notice told of.
async fn sweep(db: &DatabaseConnection) -> Result<(), DbErr> {
    for sql in [
        "SELECT note_ended(end_abandoned(NULL))",
        "SELECT find_unnoticed()",
        "DELETE FROM process_asleep WHERE process_id IN (SELECT pulp_id FROM process WHERE gone_at IS NOT NULL)",
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
        let row = db.query_one_raw(db::sql("SELECT unknown_names() AS names", [])).await?;
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
