//! Tells the resource manager of accepted and canceled tasks, and workers of cancels. A slow Redis holds up
//! no request.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use deadpool_redis::redis::cmd;
use entities::Settings;
use uuid::Uuid;

use super::message::Notice;
use super::{ConnectionManager, Redis, queue};
use crate::queue::repeats::Repeats;

/// How long a push may take.
const BOUND: Duration = Duration::from_millis(50);

/// How long no push is tried after one has failed.
const REST: Duration = Duration::from_secs(1);

/// Cheap to clone; connects when it is first used.
#[derive(Clone, Debug)]
pub(crate) struct RedisNotifier(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Nothing if the settings name no Redis that could be used.
    redis: Option<Redis>,
    connection: OnceLock<Option<ConnectionManager>>,
    resting_until: Mutex<Option<Instant>>,
    unreachable: Repeats,
}

impl RedisNotifier {
    pub(crate) fn new(settings: &Settings) -> RedisNotifier {
        RedisNotifier(Arc::new(Shared {
            redis: Redis::open(settings).ok(),
            connection: OnceLock::new(),
            resting_until: Mutex::default(),
            unreachable: Repeats::default(),
        }))
    }

    /// A task was accepted.
    pub(crate) async fn accepted(&self, task: Uuid) {
        self.notify(&Notice::Dispatched { task }).await;
    }

    /// A task was canceled, while `worker` ran it or before it was claimed.
    pub(crate) async fn canceled(&self, task: Uuid, worker: Option<Uuid>) {
        let Some(worker) = worker else { return self.notify(&Notice::Canceled { task }).await };
        let Some((redis, mut connection)) = self.connection() else { return };
        self.bounded(async {
            let channel = redis.keys.cancel(worker);
            let _: i64 =
                cmd("PUBLISH").arg(channel).arg(task.to_string()).query_async(&mut connection).await?;
            Ok(())
        })
        .await;
    }

    async fn notify(&self, notice: &Notice) {
        let Some((redis, mut connection)) = self.connection() else { return };
        self.bounded(async { queue::notify(&mut connection, redis, notice).await }).await;
    }

    fn connection(&self) -> Option<(&Redis, ConnectionManager)> {
        let redis = self.0.redis.as_ref()?;
        let connection = self.0.connection.get_or_init(|| redis.shared().ok()).clone()?;
        Some((redis, connection))
    }

    async fn bounded(&self, push: impl Future<Output = anyhow::Result<()>>) {
        if self.resting_until().is_some_and(|until| Instant::now() < until) {
            return;
        }
        let failure = match tokio::time::timeout(BOUND, push).await {
            Ok(Ok(())) => return self.0.unreachable.over(),
            Ok(Err(error)) => error,
            Err(_) => anyhow::anyhow!("no reply within {} ms", BOUND.as_millis()),
        };
        if let Some(times) = self.0.unreachable.due() {
            tracing::warn!(
                error = format!("{failure:#}"),
                times,
                "cannot notify the resource manager over Redis; it finds the task at its next poll"
            );
        }
        self.set_resting_until(Instant::now() + REST);
    }

    fn resting_until(&self) -> Option<Instant> {
        *self.0.resting_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_resting_until(&self, until: Instant) {
        *self.0.resting_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}
