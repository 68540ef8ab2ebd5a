//! Claims and ends of tasks that wait in rows, and the sleep of workers.

use std::sync::atomic::{AtomicI64, Ordering};

use entities::db;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, QueryResult};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Shutdown;
use crate::claims::{claimed, written};
use crate::context::Claim;
use crate::run::{Claimed, Ended, draw};

/// The answer to a claim of whatever is ready.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A task is ours.
    Claimed {
        /// The task.
        task: Box<Claimed>,
        /// Whether another one is ready.
        more: bool,
    },
    /// None is, and why: `idle`, `gone`, `busy` or an error.
    Nothing(String),
}

/// The identity of a claim before it is known of what.
pub(crate) fn draw_any(worker: Uuid) -> Claim {
    draw(Uuid::nil(), worker)
}

/// Claims a ready task of these names. `None` if the process has to stop, or was given up, before there is an answer.
pub(crate) async fn claim(
    db: &DatabaseConnection,
    claim: Claim,
    names: &[String],
    gone: &CancellationToken,
    shutdown: &Shutdown,
) -> Option<Answer> {
    let sql = "SELECT * FROM claim_ready($1, $2, $3, true)";
    let statement = db::sql(sql, [claim.worker.into(), claim.token.into(), names.to_vec().into()]);
    let answer = claimed(db, statement, |row| read(claim, row), gone, shutdown).await?;
    Some(answer.unwrap_or_else(|error| Answer::Nothing(error.to_string())))
}

/// Ends a task, and claims another one in the same commit as `next`. `None` if there was no answer in time.
pub(crate) async fn finish(
    db: &DatabaseConnection,
    claim: Claim,
    ended: &Ended,
    next: Option<Claim>,
    names: &[String],
    gone: &CancellationToken,
    shutdown: &Shutdown,
) -> Option<Option<Answer>> {
    let statement = |state: &str, error: Option<serde_json::Value>| {
        let sql = "SELECT * FROM finish_and_claim($1, $2, $3, $4, $5, $6, $7)";
        let values = [
            claim.task.into(),
            claim.worker.into(),
            claim.token.into(),
            state.into(),
            error.into(),
            next.map(|next| next.token).into(),
            names.to_vec().into(),
        ];
        db::sql(sql, values)
    };
    let row = written(db, claim, ended, statement, gone, shutdown).await?;
    let answer = row.and_then(|row| next.map(|next| read(next, &row)).transpose());
    answer
        .inspect_err(|error| tracing::error!(%error, task = %claim.task, "the end of a task is not known"))
        .ok()
}

/// Where a worker is among the sleepers; it moves with every sleep.
#[derive(Debug, Default)]
pub(crate) struct Place(AtomicI64);

/// Puts a worker among the sleepers, if it is not there, and answers whether there is something to look at.
pub(crate) async fn sleep(
    db: &DatabaseConnection,
    worker: Uuid,
    place: &Place,
    names: &[String],
) -> Result<bool, DbErr> {
    let known = place.0.load(Ordering::Relaxed);
    let sql = "SELECT fall_asleep($1, $2) AS number";
    if let Some(row) = db.query_one_raw(db::sql(sql, [worker.into(), known.into()])).await? {
        place.0.store(row.try_get("", "number")?, Ordering::Relaxed);
    }
    // A statement of its own: whoever commits after this one looks sees the sleeper.
    let row = db.query_one_raw(db::sql("SELECT any_work($1) AS work", [names.to_vec().into()])).await?;
    row.map_or(Ok(true), |row| row.try_get("", "work"))
}

/// Takes a worker from the sleepers.
pub(crate) async fn wake_up(db: &DatabaseConnection, place: &Place) -> Result<(), DbErr> {
    let sql = "WITH off AS (SELECT set_config('synchronous_commit', 'off', true))
               DELETE FROM process_asleep USING off WHERE number = $1";
    db.execute_raw(db::sql(sql, [place.0.load(Ordering::Relaxed).into()])).await?;
    Ok(())
}

/// Takes a worker from the sleepers for good, also from places of which it was not told. Looks at all sleepers.
pub(crate) async fn leave(db: &DatabaseConnection, worker: Uuid) -> Result<(), DbErr> {
    db.execute_raw(db::sql("DELETE FROM process_asleep WHERE process_id = $1", [worker.into()])).await?;
    Ok(())
}

fn read(claim: Claim, row: &QueryResult) -> Result<Answer, DbErr> {
    if row.try_get("", "claimed")? {
        let claim = Claim { task: row.try_get("", "task_id")?, ..claim };
        let task = Box::new(Claimed::read(claim, row)?);
        return Ok(Answer::Claimed { task, more: row.try_get("", "more")? });
    }
    let refusal: Option<String> = row.try_get("", "refusal")?;
    Ok(Answer::Nothing(refusal.unwrap_or_default()))
}
