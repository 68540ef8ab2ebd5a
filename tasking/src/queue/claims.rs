//! Claims and ends of tasks: each is one call of a database function, repeated with the same token until it answers.

use std::time::{Duration, Instant};

use entities::db;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, QueryResult, Statement};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::Shutdown;
use crate::context::Claim;
use crate::queue::backoff::Backoff;
use crate::queue::redis_style::message::Order;
use crate::queue::runner::{Claimed, Ended, draw};

/// How long the end of a task is still tried to be written when the process has to stop at once.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The answer to a claim.
#[derive(Debug)]
pub(crate) enum OrderClaim {
    /// The task is ours.
    Claimed(Box<Claimed>),
    /// It is not, and why: `epoch`, `gone`, `busy`, `unknown` or the state of the task.
    Refused(String),
}

/// Claims a task. `None` if the process has to stop, or was given up, before there is an answer.
pub(crate) async fn claim(
    db: &DatabaseConnection,
    claim: Claim,
    order: &Order,
    gone: &CancellationToken,
    shutdown: &Shutdown,
) -> Option<OrderClaim> {
    let sql = "SELECT * FROM take_task($1, $2, $3, $5, refuse_claim($2, $4, true))";
    let values = [
        claim.task.into(),
        claim.worker.into(),
        claim.token.into(),
        order.epoch.into(),
        order.unblocked_at.into(),
    ];
    let answer = claimed(db, db::sql(sql, values), |row| read(claim, row), gone, shutdown).await?;
    Some(answer.unwrap_or_else(|error| OrderClaim::Refused(error.to_string())))
}

/// What a claim answers, or why Postgres refuses it. `None` if the process has to stop, or was given up, before that.
pub(crate) async fn claimed<T>(
    db: &DatabaseConnection,
    statement: Statement,
    read: impl FnOnce(&QueryResult) -> Result<T, DbErr>,
    gone: &CancellationToken,
    shutdown: &Shutdown,
) -> Option<Result<T, DbErr>> {
    tokio::select! {
        row = answered(db, statement) => Some(row.and_then(|row| read(&row))),
        () = gone.cancelled() => None,
        () = shutdown.expired() => None,
    }
}

/// Ends a task, and claims the next one in the same commit. Answers the state that the task has ended in (nothing if
/// it was not ours any more) and what came of the next; `None` if there was no answer in time.
pub(crate) async fn finish(
    db: &DatabaseConnection,
    claim: Claim,
    ended: &Ended,
    next: Option<&(Claim, Order)>,
    gone: &CancellationToken,
    shutdown: &Shutdown,
) -> Option<(Option<String>, Option<OrderClaim>)> {
    let statement = |state: &str, error: Option<serde_json::Value>| {
        let sql = "SELECT * FROM finish_task($1, $2, $3, $4, $5, NULL, $6, $7, $8, $9)";
        let values = [
            claim.task.into(),
            claim.worker.into(),
            claim.token.into(),
            state.into(),
            error.into(),
            next.map(|(next, _)| next.task).into(),
            next.map(|(next, _)| next.token).into(),
            next.map(|(_, order)| order.epoch).into(),
            next.map(|(_, order)| order.unblocked_at).into(),
        ];
        db::sql(sql, values)
    };
    let row = written(db, claim, ended, statement, gone, shutdown).await?;
    let read = row.and_then(|row| {
        let last: Option<String> = row.try_get("", "final")?;
        let next = next.map(|(next, _)| read(*next, &row)).transpose()?;
        Ok((last, next))
    });
    read.inspect_err(|error| tracing::error!(%error, task = %claim.task, "the end of a task is not known"))
        .ok()
}

/// Writes the end of a task, or if Postgres does not take it as it is, that. `None` if there was no answer in time.
pub(crate) async fn written(
    db: &DatabaseConnection,
    claim: Claim,
    ended: &Ended,
    statement: impl Fn(&str, Option<serde_json::Value>) -> Statement,
    gone: &CancellationToken,
    shutdown: &Shutdown,
) -> Option<Result<QueryResult, DbErr>> {
    let written = async {
        match answered(db, statement(ended.state, ended.error.clone())).await {
            Ok(row) => Ok(row),
            Err(error) => {
                tracing::error!(%error, task = %claim.task, "the end of a task cannot be written as it is");
                let reason = format!("The end of the task could not be written: {error}").replace('\0', "");
                answered(db, statement("failed", Some(json!({ "reason": reason })))).await
            }
        }
    };
    let last_words = async {
        shutdown.expired().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        row = written => Some(row),
        () = gone.cancelled() => None,
        () = last_words => None,
    }
}

/// The tokens for an order.
pub(crate) fn draw_for(order: &Order) -> Claim {
    draw(order.task, order.worker)
}

fn read(claim: Claim, row: &QueryResult) -> Result<OrderClaim, DbErr> {
    if row.try_get("", "claimed")? {
        return Ok(OrderClaim::Claimed(Box::new(Claimed::read(claim, row)?)));
    }
    let refusal: Option<String> = row.try_get("", "refusal")?;
    Ok(OrderClaim::Refused(refusal.unwrap_or_default()))
}

/// Repeats a statement until Postgres answers. Its outcome is unknown after a failure, so it has to be one that may
/// be repeated.
pub(crate) async fn answered(db: &DatabaseConnection, statement: Statement) -> Result<QueryResult, DbErr> {
    let mut backoff = Backoff::default();
    let mut warned: Option<Instant> = None;
    loop {
        match db.query_one_raw(statement.clone()).await {
            Ok(Some(row)) => return Ok(row),
            Ok(None) => return Err(DbErr::RecordNotFound("a function answered nothing".to_owned())),
            Err(error) if db::is_passing(&error) => {
                if warned.is_none_or(|warned| warned.elapsed() > Duration::from_secs(5)) {
                    tracing::warn!(%error, "the database did not answer; asking again");
                    warned = Some(Instant::now());
                }
            }
            Err(error) => return Err(error),
        }
        backoff.pause().await;
    }
}
