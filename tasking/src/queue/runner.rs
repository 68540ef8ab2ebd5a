//! One attempt to run a claimed task: its directory, its span, its future, and how that ended.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use entities::{Pulp, db};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, QueryResult};
use serde_json::{Value, json};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use uuid::Uuid;

use crate::context::Claim;
use crate::{Dispatcher, Origin, TaskContext, Tasks, cleanup};

/// A task that is ours.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) claim: Claim,
    name: String,
    args: Value,
    origin: Origin,
}

impl Claimed {
    /// Reads the columns of `take_task` or `finish_task`.
    pub(crate) fn read(claim: Claim, row: &QueryResult) -> Result<Claimed, DbErr> {
        Ok(Claimed {
            claim,
            name: row.try_get("", "name")?,
            args: row.try_get("", "args")?,
            origin: Origin {
                domain: row.try_get("", "domain")?,
                user: row.try_get("", "created_by")?,
                logging_cid: row.try_get("", "logging_cid")?,
                parent: None,
                group: row.try_get("", "task_group")?,
            },
        })
    }
}

/// Why a task has to stop before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// Somebody canceled it.
    Canceled,
    /// The process ends and the grace interval is over.
    Shutdown,
    /// The worker cannot prove that it is alive; others may give it up soon.
    Silent,
    /// The worker was given up; the task is final already.
    Gone,
}

/// How an attempt ended: the state and the error of the row to be.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) state: &'static str,
    pub(crate) error: Option<Value>,
    /// Whether the body could not be stopped: it goes on until the process ends.
    pub(crate) stuck: bool,
}

/// What runs tasks.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) pulp: Pulp,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) dispatcher: Dispatcher,
    /// Where the tasks of this worker have their directories.
    pub(crate) directory: PathBuf,
    /// How long an interrupted body may take to stop.
    pub(crate) patience: Duration,
}

impl Runner {
    /// Runs a task to its end, or until `interrupt`. `canceled` tells blocking work of that.
    pub(crate) async fn attempt(
        &self,
        task: Claimed,
        canceled: CancellationToken,
        interrupt: impl Future<Output = Interrupt>,
    ) -> Ended {
        let id = task.claim.task;
        let span = tracing::info_span!("task", cid = %task.origin.logging_cid, task = %id, name = %task.name);
        let directory = self.directory.join(id.to_string());
        let Claimed { claim, name, args, origin } = task;
        let (dispatcher, tasks) = (self.dispatcher.clone(), self.tasks.clone());
        let cx = TaskContext::new(dispatcher, claim, origin, directory, canceled.clone(), tasks);
        let ended = async {
            tracing::info!("the task starts");
            let started = std::time::Instant::now();
            let ended = self.body(name, args, cx.clone(), canceled, interrupt).await;
            let milliseconds = started.elapsed().as_millis() as u64;
            tracing::info!(state = ended.state, milliseconds, "the task has ended");
            ended
        }
        .instrument(span)
        .await;
        cx.remove_working_directory().await;
        if ended.state != "completed"
            && let Err(error) = cleanup::incomplete(&self.pulp.db, cleanup::Of::Task(id)).await
        {
            tracing::warn!(%error, task = %id, "what the task has left is removed later");
        }
        ended
    }

    async fn body(
        &self,
        name: String,
        args: Value,
        cx: TaskContext,
        canceled: CancellationToken,
        interrupt: impl Future<Output = Interrupt>,
    ) -> Ended {
        let tasks = self.tasks.clone();
        let body = async move { tasks.start(&name, args, cx)?.await }.in_current_span();
        let mut body = AbortOnDropHandle::new(tokio::spawn(body));
        let why = tokio::select! {
            biased;
            done = &mut body => return outcome(done),
            why = interrupt => why,
        };
        canceled.cancel();
        body.abort();
        let stopped = tokio::time::timeout(self.patience, &mut body).await;
        let stuck = stopped.is_err();
        if stuck {
            tracing::error!("the task does not stop; its worker has to end");
        }
        let (state, error) = match why {
            Interrupt::Canceled => ("canceled", None),
            Interrupt::Shutdown => ("failed", Some(json!({"reason": "Aborted during worker shutdown."}))),
            Interrupt::Silent => {
                let reason = "The worker could not reach the database and stopped the task.";
                ("failed", Some(json!({ "reason": reason })))
            }
            Interrupt::Gone => ("failed", Some(json!({"reason": "Worker has gone missing."}))),
        };
        Ended { state, error, stuck }
    }
}

fn outcome(done: Result<anyhow::Result<()>, JoinError>) -> Ended {
    match done {
        Ok(Ok(())) => Ended { state: "completed", error: None, stuck: false },
        Ok(Err(error)) => failed(&error),
        Err(error) => match error.try_into_panic() {
            Ok(payload) => failed(&anyhow::anyhow!("The task panicked: {}", panic_message(&*payload))),
            Err(error) => failed(&anyhow::Error::new(error)),
        },
    }
}

/// The error document (T04): the chain in one line, and one cause a line.
fn failed(error: &anyhow::Error) -> Ended {
    tracing::warn!(error = format!("{error:#}"), "the task failed");
    // Postgres keeps no NUL in JSON.
    let (description, traceback) =
        (format!("{error:#}").replace('\0', ""), format!("{error:?}").replace('\0', ""));
    let error = Some(json!({ "description": description, "traceback": traceback }));
    Ended { state: "failed", error, stuck: false }
}

fn panic_message(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Whether any task waits to be run.
pub(crate) async fn any_waiting(db: &DatabaseConnection) -> Result<bool, DbErr> {
    let sql = "SELECT EXISTS (SELECT 1 FROM task WHERE state = 'waiting') AS waiting";
    let row = db.query_one_raw(db::sql(sql, [])).await?;
    row.map_or(Ok(false), |row| row.try_get("", "waiting"))
}

/// The identity of an attempt that is about to be claimed.
pub(crate) fn draw(task: Uuid, worker: Uuid) -> Claim {
    Claim { task, worker, token: Uuid::new_v4() }
}
