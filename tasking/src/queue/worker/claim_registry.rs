//! The claims of a worker, and how their tasks are canceled.
//!
//! A cancel is announced over Redis or Postgres and read from the rows, at every beat at the latest while a
//! task runs. The same look finds rows that are running under this worker without a claim that it knows, and
//! fails them: no task is running without a runner.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entities::db;
use futures_util::StreamExt;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult};
use serde_json::json;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::context::Claim;
use crate::queue::backoff::Backoff;
use crate::queue::redis_style::{Redis, RedisResult};
use crate::queue::repeats::Repeats;
use crate::queue::rows;
use crate::queue::style::Style;

/// Looks at the rows of a worker that knows of none, a fraction of those while it does.
const SELDOM: u32 = 10;

/// The unfinished tasks of a worker.
const OWN: &str = "SELECT pulp_id, name, claim_token, state = 'canceling' AS canceled FROM task
                   WHERE worker_id = $1 AND finished_at IS NULL";

/// The error of a task whose claim its worker has lost.
const LOST: &str = "The task was marked running, but its worker is not executing it (lost claim).";

/// A task that is said to run on this worker.
#[derive(Debug, FromQueryResult)]
struct OwnRow {
    pulp_id: Uuid,
    name: String,
    claim_token: Uuid,
    canceled: bool,
}

/// Claims by token, from before they are sent until their end is answered. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct ClaimRegistry(Arc<RegistryInner>);

#[derive(Debug, Default)]
struct RegistryInner {
    claims: Mutex<HashMap<Uuid, CancellationToken>>,
    /// There is one, and there was none.
    first: Notify,
}

impl ClaimRegistry {
    /// Before a claim is sent. The token fires when the task is canceled.
    pub(super) fn add(&self, claim: Claim) -> CancellationToken {
        let mut claims = self.lock();
        if claims.is_empty() {
            self.0.first.notify_one();
        }
        claims.entry(claim.token).or_default().clone()
    }

    /// After the end of the task, or the refusal, is answered.
    pub(super) fn remove(&self, claim: Claim) {
        self.lock().remove(&claim.token);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, CancellationToken>> {
        self.0.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at the rows of the worker whenever it is told of a cancel, and every `interval` while it knows of
/// any.
pub(super) async fn watch(
    db: DatabaseConnection,
    style: Style,
    worker: Uuid,
    registry: ClaimRegistry,
    mut told: mpsc::Receiver<()>,
    interval: Duration,
) {
    let unreadable = Repeats::default();
    loop {
        if let Err(error) = look(&db, style, worker, &registry).await {
            if let Some(times) = unreadable.due() {
                tracing::warn!(%error, times, "cannot read this worker's tasks; retrying");
            }
        } else {
            unreadable.over();
        }
        let looked = Instant::now();
        loop {
            let pause = if registry.lock().is_empty() { interval * SELDOM } else { interval };
            tokio::select! {
                said = told.recv() => {
                    if said.is_none() {
                        // The announcements have ended: only the beat is left.
                        tokio::time::sleep(interval).await;
                    }
                    break;
                }
                () = tokio::time::sleep_until(looked + pause) => break,
                () = registry.0.first.notified() => {}
            }
        }
    }
}

async fn look(
    db: &DatabaseConnection,
    style: Style,
    worker: Uuid,
    registry: &ClaimRegistry,
) -> Result<(), DbErr> {
    for row in rows::all::<OwnRow>(db, db::sql(OWN, [worker.into()])).await? {
        let cancel = registry.lock().get(&row.claim_token).cloned();
        match cancel {
            Some(cancel) if row.canceled => cancel.cancel(),
            Some(_) => {}
            None => {
                // If it has just ended, the row is final and this changes nothing.
                tracing::debug!(task = %row.pulp_id, name = row.name, "this worker is not executing the task");
                let reason = json!({ "reason": LOST });
                let values = [row.pulp_id.into(), worker.into(), row.claim_token.into(), reason.into()];
                db.execute_raw(db::sql(style.finish_lost(), values)).await?;
            }
        }
    }
    Ok(())
}

/// Tells of every cancel that is told over Redis.
pub(super) async fn listen(redis: Redis, worker: Uuid, told: mpsc::Sender<()>) {
    let mut backoff = Backoff::default();
    loop {
        let heard: RedisResult<()> = async {
            let mut pubsub = redis.pubsub().await?;
            pubsub.subscribe(redis.keys.cancel(worker)).await?;
            backoff.reset();
            let mut messages = pubsub.on_message();
            while messages.next().await.is_some() {
                let _ = told.send(()).await;
            }
            Ok(())
        }
        .await;
        if let Err(error) = heard {
            tracing::debug!(%error, "lost the subscription to cancels; resubscribing");
        }
        backoff.pause().await;
    }
}
