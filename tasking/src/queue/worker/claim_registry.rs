//! What a worker knows to be its own: the tokens of its claims, and how it is told of a cancel.
//!
//! A cancel is told over Redis or Postgres and read from the rows, while a task runs at every beat at the latest. The same look finds rows
//! that run under this worker's name without its knowing, and ends them: no task is running without a runner.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entities::db;
use entities::settings::WorkerStyle;
use futures_util::StreamExt;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::context::Claim;
use crate::queue::backoff::Backoff;
use crate::queue::redis_style::{Redis, RedisResult};

/// Looks at the rows of a worker that knows of none, a fraction of those while it does.
const SELDOM: u32 = 10;

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

/// Looks at the rows of the worker whenever it is told of a cancel, and every `interval` while it knows of any.
pub(super) async fn watch(
    db: DatabaseConnection,
    style: WorkerStyle,
    worker: Uuid,
    registry: ClaimRegistry,
    mut told: mpsc::Receiver<()>,
    interval: Duration,
) {
    loop {
        if let Err(error) = look(&db, style, worker, &registry).await {
            tracing::warn!(%error, "the worker's rows cannot be read; trying again");
        }
        let looked = Instant::now();
        loop {
            let pause = if registry.lock().is_empty() { interval * SELDOM } else { interval };
            tokio::select! {
                said = told.recv() => {
                    if said.is_none() {
                        // Nobody tells any more: only the beat is left.
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
    style: WorkerStyle,
    worker: Uuid,
    registry: &ClaimRegistry,
) -> Result<(), DbErr> {
    let sql = "SELECT pulp_id, claim_token, state = 'canceling' AS canceled FROM task
               WHERE worker_id = $1 AND finished_at IS NULL";
    for row in db.query_all_raw(db::sql(sql, [worker.into()])).await? {
        let (task, token): (Uuid, Uuid) = (row.try_get("", "pulp_id")?, row.try_get("", "claim_token")?);
        let cancel = registry.lock().get(&token).cloned();
        match cancel {
            Some(cancel) => {
                if row.try_get("", "canceled")? {
                    cancel.cancel();
                }
            }
            None => {
                // If it has just ended, the row is final and this changes nothing.
                let sql = match style {
                    WorkerStyle::Redis => {
                        "SELECT final FROM finish_task($1, $2, $3, 'failed',
                             '{\"reason\": \"The worker does not know that it runs this task.\"}'::jsonb,
                             NULL, NULL, NULL, NULL, NULL)"
                    }
                    WorkerStyle::Postgres => {
                        "SELECT final FROM finish_and_claim($1, $2, $3, 'failed',
                             '{\"reason\": \"The worker does not know that it runs this task.\"}'::jsonb, NULL, '{}')"
                    }
                };
                db.execute_raw(db::sql(sql, [task.into(), worker.into(), token.into()])).await?;
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
            tracing::debug!(%error, "cancels are not told over Redis for the moment");
        }
        backoff.pause().await;
    }
}
