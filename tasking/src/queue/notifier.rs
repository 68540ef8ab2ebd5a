//! The notifier: wakes what routes or runs tasks after a commit.
//!
//! Nothing depends on it: what it could not tell of is a row, and is found by the next poll.

use std::sync::Arc;

use entities::Settings;
use uuid::Uuid;

use crate::queue::postgres_style::queue_mover::QueueMover;
use crate::queue::redis_style::notifier::RedisNotifier;
use crate::queue::style::Style;

/// Cheap to clone; connects when it is first used.
#[derive(Clone, Debug)]
pub(crate) enum Notifier {
    /// Tells the resource manager, and workers of canceled tasks.
    Redis(RedisNotifier),
    /// Wakes sleeping workers.
    Postgres(QueueMover),
}

impl Notifier {
    /// The notifier of a style.
    pub(crate) fn new(style: Style, settings: &Arc<Settings>) -> Notifier {
        match style {
            Style::Redis => Notifier::Redis(RedisNotifier::new(settings)),
            Style::Postgres => Notifier::Postgres(QueueMover::new(settings, "pulpcore notifier")),
        }
    }

    /// A task was accepted.
    pub(crate) async fn accepted(&self, task: Uuid) {
        match self {
            Notifier::Redis(redis) => redis.accepted(task).await,
            Notifier::Postgres(queue) => queue.wake(),
        }
    }

    /// A task was canceled, while `worker` ran it or before it was claimed.
    pub(crate) async fn canceled(&self, task: Uuid, worker: Option<Uuid>) {
        match (self, worker) {
            (Notifier::Redis(redis), _) => redis.canceled(task, worker).await,
            (Notifier::Postgres(queue), Some(worker)) => queue.tell_canceled(worker),
            (Notifier::Postgres(queue), None) => queue.wake(),
        }
    }
}
