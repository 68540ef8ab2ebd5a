//! Gets things moving after a commit: reads the notices, and wakes workers that sleep.
//!
//! Always outside of the transaction that wrote: a NOTIFY in there would end the grouping of commits. Nobody waits for
//! it, and nothing depends on it: a worker that is awake, or that looks again after a second, does the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use entities::db;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::sync::Mutex;
use uuid::Uuid;

/// Notices that are read in one step.
const BATCH: i32 = 1000;

/// How long a step may take before nobody waits for it any more.
const BOUND: Duration = Duration::from_secs(5);

/// There may be notices.
const NOTICES: u8 = 1;

/// There is a task that could run, and nobody has been told.
const READY: u8 = 2;

/// Cheap to clone. Requests that come while one is under way are answered by one more.
#[derive(Clone, Debug)]
pub(crate) struct Promoter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: DatabaseConnection,
    asked: AtomicU8,
    turn: Mutex<()>,
}

impl Promoter {
    /// Over a pool with a session to spare.
    pub(crate) fn new(db: DatabaseConnection) -> Promoter {
        Promoter(Arc::new(Inner { db, asked: AtomicU8::new(0), turn: Mutex::default() }))
    }

    /// Reads notices soon, and wakes somebody for each task that is ready then, and for one more if `more` are.
    pub(crate) fn promote(&self, more: bool) {
        self.ask(if more { NOTICES | READY } else { NOTICES });
    }

    /// Wakes somebody soon, if anybody sleeps.
    pub(crate) fn wake(&self) {
        self.ask(READY);
    }

    /// Tells a worker soon that its task was canceled.
    pub(crate) fn tell_canceled(&self, worker: Uuid) {
        let db = self.0.db.clone();
        tokio::spawn(async move {
            let sql = "SELECT pg_notify(channel_of($1), 'cancel')";
            let told = db.execute_raw(db::sql(sql, [worker.into()]));
            if !matches!(tokio::time::timeout(BOUND, told).await, Ok(Ok(_))) {
                tracing::debug!(%worker, "a cancel could not be told; the worker finds it in the row");
            }
        });
    }

    fn ask(&self, what: u8) {
        if self.0.asked.fetch_or(what, Ordering::AcqRel) != 0 {
            return;
        }
        let inner = self.0.clone();
        tokio::spawn(async move {
            let _turn = inner.turn.lock().await;
            // Whoever asks from now on is answered by the next step, which sees what was committed before.
            let asked = inner.asked.swap(0, Ordering::AcqRel);
            let step = async {
                match asked {
                    READY => wake(&inner.db).await,
                    _ => loop {
                        let claims = if asked & READY == 0 { 0 } else { -1 };
                        if !promote(&inner.db, claims).await? {
                            return Ok(());
                        }
                    },
                }
            };
            match tokio::time::timeout(BOUND, step).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the queue could not be moved on; another worker does it")
                }
                Err(_) => tracing::debug!("the queue could not be moved on in time; another worker does it"),
            }
        });
    }
}

/// Reads notices, and wakes a sleeper for each task that is ready by that but for `claims` of them, which the caller
/// claims itself. Answers whether there are more.
pub(crate) async fn promote(db: &DatabaseConnection, claims: i32) -> Result<bool, DbErr> {
    let sql = "SELECT more FROM promote($1, $2)";
    let row = db.query_one_raw(db::sql(sql, [BATCH.into(), claims.into()])).await?;
    row.map_or(Ok(false), |row| row.try_get("", "more"))
}

async fn wake(db: &DatabaseConnection) -> Result<(), DbErr> {
    db.execute_raw(db::sql("SELECT wake(1)", [])).await?;
    Ok(())
}
