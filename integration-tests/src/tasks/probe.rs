//! A task that records what it does, by fenced writes, and that misbehaves as it is told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use entities::{Prn, db};
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use tasking::{Resources, Task, TaskContext};
use uuid::Uuid;

use super::Noop;

/// Pause between two looks of blocking work at whether it is canceled.
const LOOK: Duration = Duration::from_millis(5);

/// Does its steps one after another. Its start, its steps and its end are rows of `history.written`, each
/// committed by a fenced transaction. The tables are made by [`crate::faults::recorder`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Probe {
    /// Nobody else may use these meanwhile.
    pub exclusive: Vec<Prn>,
    /// Used together with others.
    pub shared: Vec<Prn>,
    /// What it does.
    pub steps: Vec<Step>,
}

/// One thing that a [`Probe`] does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Waits so many milliseconds.
    Sleep(u64),
    /// Blocks a thread for so many milliseconds, or until the task is canceled.
    Block(u64),
    /// Writes one more row.
    Write,
    /// Writes one more row and keeps its transaction open for so many milliseconds, locks and all.
    Hold(u64),
    /// Dispatches a [`Noop`] that is exclusive on this resource.
    Child(Prn),
    /// Fails.
    Fail,
    /// Panics.
    Panic,
}

impl Task for Probe {
    const NAME: &'static str = "test.probe";

    fn resources(&self) -> Resources {
        Resources { exclusive: self.exclusive.clone(), shared: self.shared.clone() }
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let run = Uuid::new_v4();
        write(&cx, run, "start", Duration::ZERO).await?;
        for step in self.steps {
            match step {
                Step::Sleep(milliseconds) => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
                Step::Block(milliseconds) => block(&cx, Duration::from_millis(milliseconds)).await?,
                Step::Write => write(&cx, run, "step", Duration::ZERO).await?,
                Step::Hold(milliseconds) => {
                    write(&cx, run, "step", Duration::from_millis(milliseconds)).await?;
                }
                Step::Child(resource) => dispatch(&cx, resource).await?,
                Step::Fail => anyhow::bail!("told to fail"),
                Step::Panic => panic!("told to panic"),
            }
        }
        write(&cx, run, "end", Duration::ZERO).await
    }
}

async fn write(cx: &TaskContext, run: Uuid, what: &str, hold: Duration) -> anyhow::Result<()> {
    let txn = cx.begin().await?;
    let sql = "INSERT INTO history.written (task, run, what) VALUES ($1, $2, $3)";
    txn.execute_raw(db::sql(sql, [cx.task_id().into(), run.into(), what.into()])).await?;
    if !hold.is_zero() {
        tokio::time::sleep(hold).await;
    }
    txn.commit().await
}

async fn block(cx: &TaskContext, duration: Duration) -> anyhow::Result<()> {
    let canceled = cx.canceled().clone();
    let began = std::time::Instant::now();
    let blocking = move || {
        while began.elapsed() < duration && !canceled.is_cancelled() {
            std::thread::sleep(LOOK);
        }
    };
    Ok(tokio::task::spawn_blocking(blocking).await?)
}

/// The row of the dispatch is no effect of the task: it is written even if the task ends meanwhile.
async fn dispatch(cx: &TaskContext, resource: Prn) -> anyhow::Result<()> {
    let asked = now();
    let child = cx.dispatch(&Noop { exclusive: vec![resource], shared: Vec::new(), milliseconds: 5 }).await?;
    let sql = "INSERT INTO history.dispatched (task, asked, answered) VALUES ($1, $2, $3)";
    cx.pulp().db.execute_raw(db::sql(sql, [child.into(), asked.into(), now().into()])).await?;
    Ok(())
}

/// Microseconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
