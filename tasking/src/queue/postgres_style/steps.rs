//! Claims and ends of tasks that wait in rows, and the sleep of workers.

use std::sync::atomic::{AtomicI64, Ordering};

use entities::db;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, QueryResult};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::queue_mover::BATCH;
use crate::Shutdown;
use crate::context::Claim;
use crate::queue::claims::{claimed, written};
use crate::queue::runner::{Claimed, Ended, draw};

/// The answer to a claim of whatever is ready.
#[derive(Debug)]
pub(crate) enum ReadyClaim {
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

/// What a worker's look has found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// A task is ready that it can claim, and that nobody else is about to. It is none of the sleepers any more.
    pub(crate) work: bool,
    /// It was among the sleepers until then.
    pub(crate) listed: bool,
}

/// Moves the queue on, answers whether a task of these names is ready, and wakes others for the rest.
pub(crate) async fn look(
    db: &DatabaseConnection,
    place: &SleepPlace,
    names: &[String],
) -> Result<Search, DbErr> {
    let sql = "SELECT work, listed FROM poll_queue($1, $2, $3)";
    let values = [BATCH.into(), names.to_vec().into(), place.0.load(Ordering::Relaxed).into()];
    let row = db.query_one_raw(db::sql(sql, values)).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("poll_queue".to_owned()))?;
    Ok(Search { work: row.try_get("", "work")?, listed: row.try_get("", "listed")? })
}

/// Claims a ready task of these names. `None` if the process has to stop, or was given up, before there is an answer.
pub(crate) async fn claim(
    db: &DatabaseConnection,
    claim: Claim,
    names: &[String],
    gone: &CancellationToken,
    shutdown: &Shutdown,
) -> Option<ReadyClaim> {
    let sql = "SELECT * FROM claim_ready($1, $2, $3, true)";
    let statement = db::sql(sql, [claim.worker.into(), claim.token.into(), names.to_vec().into()]);
    let answer = claimed(db, statement, |row| read(claim, row), gone, shutdown).await?;
    Some(answer.unwrap_or_else(|error| ReadyClaim::Nothing(error.to_string())))
}

/// Ends a task, and claims another one in the same commit as `next`, or if there is none puts the worker among the
/// sleepers. `None` if there was no answer in time.
pub(crate) async fn finish(
    db: &DatabaseConnection,
    claim: Claim,
    ended: &Ended,
    next: Option<Claim>,
    (names, place): (&[String], &SleepPlace),
    gone: &CancellationToken,
    shutdown: &Shutdown,
) -> Option<Option<ReadyClaim>> {
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
    let answer = row.and_then(|row| {
        if let Some(number) = row.try_get("", "place")? {
            place.0.store(number, Ordering::Relaxed);
        }
        next.map(|next| read(next, &row)).transpose()
    });
    answer
        .inspect_err(|error| tracing::error!(%error, task = %claim.task, "the end of a task is not known"))
        .ok()
}

/// Where a worker is among the sleepers; it moves with every sleep.
#[derive(Debug, Default)]
pub(crate) struct SleepPlace(AtomicI64);

/// Puts a worker among the sleepers, if it is not there. It has to look once more.
pub(crate) async fn fall_asleep(
    db: &DatabaseConnection,
    worker: Uuid,
    place: &SleepPlace,
) -> Result<(), DbErr> {
    let known = place.0.load(Ordering::Relaxed);
    let sql = "SELECT become_idle($1, $2) AS number";
    if let Some(row) = db.query_one_raw(db::sql(sql, [worker.into(), known.into()])).await? {
        place.0.store(row.try_get("", "number")?, Ordering::Relaxed);
    }
    Ok(())
}

/// A task that has been ready for longer, in seconds, is one that nobody was told of, or that nobody comes for.
const LATE: f64 = 0.5;

/// What a worker does that has slept for long: puts it among the sleepers if a wake that got lost has taken it from them,
/// and answers whether it has reason to look. If somebody looks for it, only what is late is a reason.
pub(crate) async fn sleep_on(
    db: &DatabaseConnection,
    worker: Uuid,
    place: &SleepPlace,
    names: &[String],
    attended: bool,
) -> Result<bool, DbErr> {
    let known = place.0.load(Ordering::Relaxed);
    let sql = "SELECT number, work FROM stay_idle($1, $2, $3, make_interval(secs => $4))";
    let late = attended.then_some(LATE);
    let values = [worker.into(), known.into(), names.to_vec().into(), late.into()];
    let row = db.query_one_raw(db::sql(sql, values)).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("stay_idle".to_owned()))?;
    place.0.store(row.try_get("", "number")?, Ordering::Relaxed);
    row.try_get("", "work")
}

/// Whether there are notices or ready tasks of these names, those included that somebody is about to claim.
pub(crate) async fn any_work(db: &DatabaseConnection, names: &[String]) -> Result<bool, DbErr> {
    let row = db.query_one_raw(db::sql("SELECT any_work($1) AS work", [names.to_vec().into()])).await?;
    row.map_or(Ok(true), |row| row.try_get("", "work"))
}

/// Whether a task of these names is ready that nobody comes for.
pub(crate) async fn any_late(db: &DatabaseConnection, names: &[String]) -> Result<bool, DbErr> {
    let sql = "SELECT any_late($1, make_interval(secs => $2)) AS late";
    let row = db.query_one_raw(db::sql(sql, [names.to_vec().into(), LATE.into()])).await?;
    row.map_or(Ok(true), |row| row.try_get("", "late"))
}

/// Takes a worker from the sleepers for good, also from places of which it was not told. Looks at all sleepers.
pub(crate) async fn leave(db: &DatabaseConnection, worker: Uuid) -> Result<(), DbErr> {
    db.execute_raw(db::sql("DELETE FROM idle_worker WHERE process_id = $1", [worker.into()])).await?;
    Ok(())
}

fn read(claim: Claim, row: &QueryResult) -> Result<ReadyClaim, DbErr> {
    if row.try_get("", "claimed")? {
        let claim = Claim { task: row.try_get("", "task_id")?, ..claim };
        let task = Box::new(Claimed::read(claim, row)?);
        return Ok(ReadyClaim::Claimed { task, more: row.try_get("", "more")? });
    }
    let refusal: Option<String> = row.try_get("", "refusal")?;
    Ok(ReadyClaim::Nothing(refusal.unwrap_or_default()))
}
