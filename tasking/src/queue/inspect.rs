//! What is going on: the state of queues, workers, leader and tasks, why tasks wait, what is wrong, and mending it.
//!
//! Looking changes nothing, and costs one pass over the unfinished tasks at most. Only [`Inspector::repair`] writes,
//! and nothing that a live process owns.

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
use entities::settings::WorkerStyle;
use entities::{Settings, db};
use sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::queue::redis_style::{ConnectionManager, Redis};

pub use crate::queue::redis_style::rejected::Rejected;
pub use diagnosis::{Diagnosis, TaskView};
pub use findings::{Code, Finding, Repair};
pub use overview::{
    LeaderView, LeaseView, Overview, QueueView, RedisView, RunningTask, WorkerState, WorkerView,
};
pub use reason::{Blocker, Reason, Span};

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
        let redis = match (settings.worker_style, &settings.redis_url) {
            (WorkerStyle::Redis, Some(_)) => {
                let redis = Redis::open(&settings)?;
                let connection = redis.shared()?;
                Some((redis, connection))
            }
            _ => None,
        };
        Ok(Inspector { settings, db, redis })
    }

    /// Whether tasks are routed by a resource manager over Redis.
    fn is_routed(&self) -> bool {
        self.settings.worker_style == WorkerStyle::Redis
    }

    /// How long a process may be silent before that is worth telling. It is given up after its whole time to live.
    fn patience(&self) -> Duration {
        self.settings.worker_ttl / 3
    }

    async fn now(&self) -> anyhow::Result<DateTime<Utc>> {
        let row = self.db.query_one_raw(db::sql("SELECT clock_timestamp() AS now", [])).await?;
        let row = row.ok_or_else(|| anyhow::anyhow!("Postgres did not say what time it is"))?;
        Ok(row.try_get("", "now")?)
    }
}

/// How Redis is in the way of looking at it.
fn complaint(error: &impl std::fmt::Display) -> String {
    format!("does not answer: {error}")
}
