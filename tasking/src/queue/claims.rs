//! What claims and finished tasks have in common in both styles: each is one call of a database function,
//! which is repeated with the same token until it returns.

use std::time::Duration;

use entities::db;
use entities::task::TaskState;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, FromQueryResult, QueryResult, Statement, Value,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::context::Claim;
use crate::queue::backoff::Backoff;
use crate::queue::repeats::Repeats;
use crate::queue::runner::{ClaimedTask, Ended};
use crate::{Origin, Shutdown};

/// How long recording a task's outcome is still tried when the process has to stop at once.
const LAST_TRIES: Duration = Duration::from_secs(5);

/// What a claim returned.
#[derive(Debug)]
pub(crate) enum ClaimReply {
    /// The task is this worker's.
    Claimed(Box<ClaimedTask>),
    /// It is not, and why: `idle` (none is ready), `epoch`, `gone`, `busy`, `unknown`, the state of the task
    /// or an error.
    Refused(String),
}

/// The first columns of every function that claims.
#[derive(Debug, FromQueryResult)]
struct Verdict {
    claimed: bool,
    refusal: Option<String>,
}

/// The columns of a claimed task.
#[derive(Debug, FromQueryResult)]
struct ClaimedRow {
    name: String,
    args: serde_json::Value,
    domain: Uuid,
    created_by: Option<i32>,
    logging_cid: String,
    task_group: Option<Uuid>,
}

impl ClaimReply {
    /// Reads the row of a function that claims.
    pub(crate) fn read(claim: Claim, row: &QueryResult) -> Result<ClaimReply, DbErr> {
        let verdict = Verdict::from_query_result(row, "")?;
        if !verdict.claimed {
            return Ok(ClaimReply::Refused(verdict.refusal.unwrap_or_default()));
        }
        let row = ClaimedRow::from_query_result(row, "")?;
        let origin = Origin {
            domain: row.domain,
            user: row.created_by,
            logging_cid: row.logging_cid,
            parent: None,
            group: row.task_group,
        };
        let task = ClaimedTask { claim, name: row.name, args: row.args, origin };
        Ok(ClaimReply::Claimed(Box::new(task)))
    }
}

/// Until when a worker waits for the database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Until<'a> {
    /// It was reaped: its claims are void.
    pub(crate) gone: &'a CancellationToken,
    /// The process has to stop.
    pub(crate) shutdown: &'a Shutdown,
}

/// The identity of a claim that is about to be made.
pub(crate) fn draw(task: Uuid, worker: Uuid) -> Claim {
    Claim { task, worker, token: Uuid::new_v4() }
}

/// What a claim returned, or why Postgres rejected it. `None` if the process had to stop, or was reaped,
/// before that.
pub(crate) async fn claimed<T>(
    db: &DatabaseConnection,
    statement: Statement,
    read: impl FnOnce(&QueryResult) -> Result<T, DbErr>,
    until: Until<'_>,
) -> Option<Result<T, DbErr>> {
    tokio::select! {
        row = repeated(db, statement) => Some(row.and_then(|row| read(&row))),
        () = until.gone.cancelled() => None,
        () = until.shutdown.expired() => None,
    }
}

/// The call of a function that records the outcome of a task: `$1` to `$5` are the claim, the state and the
/// error, and after them come the values that claim the next task.
#[derive(Clone, Debug)]
pub(crate) struct Finish {
    pub(crate) sql: &'static str,
    pub(crate) next: Vec<Value>,
}

impl Finish {
    fn statement(&self, claim: Claim, state: TaskState, error: Option<serde_json::Value>) -> Statement {
        let mut values: Vec<Value> = vec![
            claim.task.into(),
            claim.worker.into(),
            claim.token.into(),
            state.as_str().into(),
            error.into(),
        ];
        values.extend(self.next.iter().cloned());
        Statement::from_sql_and_values(DbBackend::Postgres, self.sql, values)
    }
}

/// Records the outcome of a task, or if Postgres does not take that, that it could not be recorded. Returns
/// what `read` makes of the row; `None` if there was none in time.
pub(crate) async fn finished<T>(
    db: &DatabaseConnection,
    claim: Claim,
    ended: &Ended,
    finish: Finish,
    read: impl FnOnce(&QueryResult) -> Result<T, DbErr>,
    until: Until<'_>,
) -> Option<T> {
    let recorded = async {
        match repeated(db, finish.statement(claim, ended.state, ended.error.clone())).await {
            Ok(row) => Ok(row),
            Err(error) => {
                tracing::error!(%error, "Postgres rejects the task's outcome; recording a failure instead");
                let reason =
                    format!("The outcome of the task could not be recorded: {error}").replace('\0', "");
                let reason = Some(json!({ "reason": reason }));
                repeated(db, finish.statement(claim, TaskState::Failed, reason)).await
            }
        }
    }
    .instrument(ended.span.clone());
    let too_late = async {
        until.shutdown.expired().await;
        tokio::time::sleep(LAST_TRIES).await;
    };
    let row = tokio::select! {
        row = recorded => row,
        () = until.gone.cancelled() => return None,
        () = too_late => return None,
    };
    let read = row.and_then(|row| read(&row));
    read.inspect_err(|error| {
        ended.span.in_scope(|| {
            tracing::error!(%error, "could not record the task's outcome; it will be reconciled");
        })
    })
    .ok()
}

/// Repeats a statement until Postgres returns a row. Its outcome is unknown after a failure, so it has to be
/// one that may be repeated.
async fn repeated(db: &DatabaseConnection, statement: Statement) -> Result<QueryResult, DbErr> {
    let mut backoff = Backoff::default();
    let unreachable = Repeats::default();
    loop {
        match db.query_one_raw(statement.clone()).await {
            Ok(Some(row)) => return Ok(row),
            Ok(None) => return Err(DbErr::RecordNotFound("the function returned no row".to_owned())),
            Err(error) if db::is_passing(&error) => {
                if let Some(times) = unreachable.due() {
                    tracing::warn!(%error, times, "the database is not available; retrying");
                }
            }
            Err(error) => return Err(error),
        }
        backoff.pause().await;
    }
}
