//! Purge: deletes the rows of tasks that ended long ago (P31).

use chrono::{DateTime, Utc};
use entities::db;
use entities::task::TaskState;
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};

use super::minutes_ago;
use crate::{Resources, Task, TaskContext};

/// Rows deleted in one transaction.
const BATCH: i64 = 1000;

/// Before which time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Before {
    /// This one.
    Time(DateTime<Utc>),
    /// So many minutes before the purge starts.
    Minutes(u64),
}

/// Deletes tasks in final `states` that ended before a time. Other states in the list are passed over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Purge {
    /// Only tasks that ended before.
    pub finished_before: Before,
    /// Only tasks in these states.
    pub states: Vec<TaskState>,
}

impl Task for Purge {
    const NAME: &'static str = "pulpcore.app.tasks.purge.purge";

    fn resources(&self) -> Resources {
        Resources::none()
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let before = match self.finished_before {
            Before::Time(time) => time,
            Before::Minutes(minutes) => minutes_ago(minutes),
        };
        let states: Vec<String> = self
            .states
            .iter()
            .filter(|state| state.is_final())
            .map(|state| state.as_str().to_owned())
            .collect();
        let mut progress = cx.progress("Purged task-objects", "purge.tasks.total", None).await?;
        let sql = "DELETE FROM task WHERE pulp_id IN (
                       SELECT pulp_id FROM task
                       WHERE state = ANY($1::task_state[]) AND finished_at < $2 AND pulp_domain_id = $3
                       LIMIT $4 FOR UPDATE SKIP LOCKED)";
        loop {
            let txn = cx.begin().await?;
            let values = [states.clone().into(), before.into(), cx.domain().into(), BATCH.into()];
            let deleted = txn.execute_raw(db::sql(sql, values)).await?.rows_affected();
            txn.commit().await?;
            progress.advance(deleted).await?;
            if deleted == 0 {
                return progress.finish().await;
            }
        }
    }
}
