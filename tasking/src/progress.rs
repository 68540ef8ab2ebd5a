//! Progress reports of a running task, written at most once every two seconds (T10).

use std::time::{Duration, Instant};

use entities::db;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::TaskContext;

/// How often a report is written at most.
const INTERVAL: Duration = Duration::from_secs(2);

/// One report. Not ended by [`Progress::finish`], it is closed with the task's own final state.
#[derive(Debug)]
pub struct Progress {
    cx: TaskContext,
    id: Uuid,
    done: u64,
    total: Option<u64>,
    suffix: Option<String>,
    written: Instant,
}

impl Progress {
    pub(crate) async fn start(
        cx: &TaskContext,
        message: &str,
        code: &str,
        total: Option<u64>,
    ) -> anyhow::Result<Progress> {
        let id = Uuid::now_v7();
        let sql = "INSERT INTO progress_report (pulp_id, task_id, message, code, state, total)
                   VALUES ($1, $2, $3, $4, 'running', $5)";
        let values = [
            id.into(),
            cx.task_id().into(),
            message.into(),
            code.into(),
            total.map(|total| total as i64).into(),
        ];
        cx.pulp().db.execute_raw(db::sql(sql, values)).await?;
        Ok(Progress { cx: cx.clone(), id, done: 0, total, suffix: None, written: Instant::now() })
    }

    /// Says how many there are.
    pub fn set_total(&mut self, total: u64) {
        self.total = Some(total);
    }

    /// Says what is being done right now.
    pub fn set_suffix(&mut self, suffix: impl Into<String>) {
        self.suffix = Some(suffix.into());
    }

    /// Counts `count` more, and writes the row if it is time to.
    pub async fn advance(&mut self, count: u64) -> anyhow::Result<()> {
        self.done += count;
        if self.written.elapsed() >= INTERVAL {
            self.write("running").await?;
        }
        Ok(())
    }

    /// Ends the report as completed.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        self.write("completed").await
    }

    async fn write(&mut self, state: &str) -> anyhow::Result<()> {
        let sql =
            "UPDATE progress_report SET done = $2, total = $3, suffix = $4, state = $5 WHERE pulp_id = $1";
        let values = [
            self.id.into(),
            (self.done as i64).into(),
            self.total.map(|total| total as i64).into(),
            self.suffix.clone().into(),
            state.into(),
        ];
        self.cx.pulp().db.execute_raw(db::sql(sql, values)).await?;
        self.written = Instant::now();
        Ok(())
    }
}
