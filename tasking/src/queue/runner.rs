//! One attempt to run a claimed task: its directory, its span, its future, and how that ended.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use entities::task::TaskState;
use entities::{Pulp, db};
use sea_orm::{DatabaseConnection, DbErr};
use serde_json::{Value, json};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

use crate::context::Claim;
use crate::queue::rows;
use crate::{Dispatcher, Origin, TaskContext, Tasks, cleanup};

/// Whether any task waits to be run.
const ANY_WAITING: &str = "SELECT EXISTS (SELECT 1 FROM task WHERE state = 'waiting')";

/// A task that this worker has claimed.
#[derive(Debug)]
pub(crate) struct ClaimedTask {
    pub(crate) claim: Claim,
    pub(crate) name: String,
    pub(crate) args: Value,
    pub(crate) origin: Origin,
}

/// Why a task has to stop before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// A user canceled it.
    Canceled,
    /// The process ends and the grace interval is over.
    Shutdown,
    /// The worker could not beat for a while, and may be reaped soon.
    Silent,
    /// The worker was reaped; the task is final already.
    Gone,
}

/// How an attempt ended: the state and the error of the row to be.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) state: TaskState,
    pub(crate) error: Option<Value>,
    /// Whether the body could not be stopped: it goes on until the process ends.
    pub(crate) stuck: bool,
    /// The task's span, for what is logged about its outcome.
    pub(crate) span: Span,
}

impl Ended {
    /// An end within the task's span.
    fn new(state: TaskState, error: Option<Value>) -> Ended {
        Ended { state, error, stuck: false, span: Span::current() }
    }
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
        task: ClaimedTask,
        canceled: CancellationToken,
        interrupt: impl Future<Output = Interrupt>,
    ) -> Ended {
        let id = task.claim.task;
        let span = tracing::info_span!("task", cid = %task.origin.logging_cid, task = %id, name = %task.name);
        let directory = self.directory.join(id.to_string());
        let ClaimedTask { claim, name, args, origin } = task;
        let (dispatcher, repositories) = (self.dispatcher.clone(), self.tasks.repositories().clone());
        let cx = TaskContext::new(dispatcher, claim, origin, directory, canceled.clone(), repositories);
        async {
            tracing::info!("the task starts");
            let started = std::time::Instant::now();
            let ended = self.body(name, args, cx.clone(), canceled, interrupt).await;
            let milliseconds = started.elapsed().as_millis() as u64;
            tracing::info!(state = ended.state.as_str(), milliseconds, "the task has ended");
            cx.remove_working_directory().await;
            if ended.state != TaskState::Completed
                && let Err(error) = cleanup::incomplete(&self.pulp.db, cleanup::Of::Task(id)).await
            {
                tracing::warn!(%error, "cannot remove what the task left incomplete; the next cleanup does");
            }
            ended
        }
        .instrument(span)
        .await
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
            tracing::error!("the task ignores its cancellation; its worker has to end");
        }
        let (state, error) = match why {
            Interrupt::Canceled => (TaskState::Canceled, None),
            Interrupt::Shutdown => {
                (TaskState::Failed, Some(json!({"reason": "Aborted during worker shutdown."})))
            }
            Interrupt::Silent => {
                let reason = "The worker could not reach the database and stopped the task.";
                (TaskState::Failed, Some(json!({ "reason": reason })))
            }
            Interrupt::Gone => (TaskState::Failed, Some(json!({"reason": "Worker has gone missing."}))),
        };
        Ended { stuck, ..Ended::new(state, error) }
    }
}

fn outcome(done: Result<anyhow::Result<()>, JoinError>) -> Ended {
    match done {
        Ok(Ok(())) => Ended::new(TaskState::Completed, None),
        Ok(Err(error)) => failed(&error),
        Err(error) => match error.try_into_panic() {
            Ok(payload) => failed(&anyhow::anyhow!("The task panicked: {}", panic_message(&*payload))),
            Err(error) => failed(&anyhow::Error::new(error)),
        },
    }
}

/// The error document (T04): the causes in one line, and one cause a line. It holds no stack, which would
/// tell the user nothing.
fn failed(error: &anyhow::Error) -> Ended {
    tracing::warn!(error = format!("{error:#}"), "the task failed");
    // Postgres keeps no NUL in JSON.
    let causes: Vec<String> =
        entities::error::causes(error).into_iter().map(|cause| cause.replace('\0', "")).collect();
    let (description, traceback) = (causes.join(": "), causes.join("\n"));
    let error = Some(json!({ "description": description, "traceback": traceback }));
    Ended::new(TaskState::Failed, error)
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
    rows::value(db, db::sql(ANY_WAITING, [])).await
}
