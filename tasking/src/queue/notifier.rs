//! The notifier: tells the resource manager, or without one a worker that sleeps, that there is something to look at.
//!
//! It never makes anybody wait: a push is bounded, and after a failure none is tried for a while. The row is enough;
//! whoever is told finds it a little later.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use deadpool_redis::redis::cmd;
use entities::Pulp;
use entities::settings::WorkerStyle;
use uuid::Uuid;

use crate::queue::postgres_style::queue_mover::QueueMover;
use crate::queue::redis_style::message::Notice;
use crate::queue::redis_style::{ConnectionManager, Redis, queue};

/// How long a push may take.
const BOUND: Duration = Duration::from_millis(50);

/// How long no push is tried after one has failed.
const REST: Duration = Duration::from_secs(1);

/// Cheap to clone; connects when it is first rung.
#[derive(Clone, Debug)]
pub(crate) struct Notifier(Arc<NotifierInner>);

#[derive(Debug)]
struct NotifierInner {
    /// If tasks are routed over Redis.
    redis: Option<Redis>,
    /// If they are not.
    queue_mover: Option<QueueMover>,
    connection: OnceLock<Option<ConnectionManager>>,
    resting_until: Mutex<Option<Instant>>,
}

impl Notifier {
    pub(crate) fn new(pulp: &Pulp) -> Notifier {
        let (redis, queue_mover) = match pulp.settings.worker_style {
            WorkerStyle::Redis => (Redis::open(&pulp.settings).ok(), None),
            WorkerStyle::Postgres => (None, Some(QueueMover::new(&pulp.settings, "pulpcore notifier"))),
        };
        let (connection, resting_until) = (OnceLock::new(), Mutex::default());
        Notifier(Arc::new(NotifierInner { redis, queue_mover, connection, resting_until }))
    }

    /// Tells the manager, or whoever sleeps.
    pub(crate) async fn notify(&self, notice: &Notice) {
        if let Some(queue_mover) = &self.0.queue_mover {
            return queue_mover.wake();
        }
        let Some((redis, mut connection)) = self.connection() else { return };
        self.bounded(async { queue::notify(&mut connection, redis, notice).await }).await;
    }

    /// Tells a worker that its task was canceled.
    pub(crate) async fn tell_canceled(&self, worker: Uuid, task: Uuid) {
        if let Some(queue_mover) = &self.0.queue_mover {
            return queue_mover.tell_canceled(worker);
        }
        let Some((redis, mut connection)) = self.connection() else { return };
        self.bounded(async {
            let channel = redis.keys.cancel(worker);
            let _: i64 =
                cmd("PUBLISH").arg(channel).arg(task.to_string()).query_async(&mut connection).await?;
            Ok(())
        })
        .await;
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
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => anyhow::anyhow!("no answer within {} ms", BOUND.as_millis()),
        };
        tracing::warn!(error = %failure, "Redis cannot be told of a task; its row is found later");
        self.set_resting_until(Instant::now() + REST);
    }

    fn resting_until(&self) -> Option<Instant> {
        *self.0.resting_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set_resting_until(&self, until: Instant) {
        *self.0.resting_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(until);
    }
}
