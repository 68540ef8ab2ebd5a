//! Inspection: the state of queues, workers, leader and tasks, why tasks wait, what is wrong, and repairing
//! it.
//!
//! Looking changes nothing, and costs one pass over the unfinished tasks at most. Only [`Inspector::repair`]
//! writes, and nothing that a live process owns.

mod diagnosis;
mod examination;
mod findings;
mod judge;
mod lines;
mod overview;
mod processes;
mod queues;
mod reason;
mod repair;
mod unfinished;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entities::{Settings, db};
use sea_orm::DatabaseConnection;

use crate::queue::redis_style::{ConnectionManager, Redis};
use crate::queue::rows;
use crate::queue::style::Style;

pub use crate::queue::redis_style::rejected::Rejected;
pub use diagnosis::{Diagnosis, TaskView};
pub use findings::{Code, Finding, Repair};
pub use overview::{
    LeaderView, LeaseView, Overview, QueueView, RedisView, RunningTask, WorkerState, WorkerView,
};
pub use reason::{Blocker, Reason, Span};

/// The time by the clock of Postgres.
const NOW: &str = "SELECT clock_timestamp()";

/// Looks at an installation.
#[derive(Debug)]
pub struct Inspector {
    settings: Arc<Settings>,
    db: DatabaseConnection,
    redis: Option<(Redis, ConnectionManager)>,
}

impl Inspector {
    /// Over a connected database. Redis is connected to when it is looked at.
    ///
    /// # Errors
    /// If the address of Redis cannot be read.
    pub fn new(settings: Arc<Settings>, db: DatabaseConnection) -> anyhow::Result<Inspector> {
        let redis = match (Style::of(&settings), &settings.redis_url) {
            (Style::Redis, Some(_)) => {
                let redis = Redis::open(&settings)?;
                let connection = redis.shared()?;
                Some((redis, connection))
            }
            _ => None,
        };
        Ok(Inspector { settings, db, redis })
    }

    fn style(&self) -> Style {
        Style::of(&self.settings)
    }

    /// Whether tasks are routed by a resource manager over Redis.
    fn is_routed(&self) -> bool {
        self.style().is_routed()
    }

    /// How long a process may be silent before that is reported. It is reaped after its whole time to live.
    fn patience(&self) -> Duration {
        self.settings.worker_ttl / 3
    }

    async fn now(&self) -> anyhow::Result<DateTime<Utc>> {
        Ok(rows::value(&self.db, db::sql(NOW, [])).await?)
    }
}

/// How Redis is in the way of looking at it.
fn complaint(error: &impl std::fmt::Display) -> String {
    format!("does not answer: {error}")
}
