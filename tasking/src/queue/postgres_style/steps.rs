//! The steps of a worker that takes tasks from Postgres: looking, claiming, finishing, and sleeping.

use std::sync::atomic::{AtomicI64, Ordering};

use entities::db;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::queue_mover::BATCH;
use crate::context::Claim;
use crate::queue::claims::{self, ClaimReply, Finish, Until, draw};
use crate::queue::rows;
use crate::queue::runner::Ended;

/// Moves the queue on and looks for a ready task: batch, names, place among the sleepers.
const LOOK: &str = "SELECT work, listed FROM poll_queue($1, $2, $3)";

/// Claims a ready task: worker, token, names.
const CLAIM: &str = "SELECT * FROM claim_ready($1, $2, $3, true)";

/// Finishes a task, and claims another one in the same commit: its token, and the names.
const FINISH: &str = "SELECT * FROM finish_and_claim($1, $2, $3, $4, $5, $6, $7)";

/// Puts a worker among the sleepers: worker, known place.
const FALL_ASLEEP: &str = "SELECT become_idle($1, $2)";

/// Makes sure that a worker is among the sleepers, and looks: worker, known place, names, age of a late task.
const SLEEP_ON: &str = "SELECT number, work FROM stay_idle($1, $2, $3, make_interval(secs => $4))";

/// Whether there are notices, or ready tasks of these names.
const ANY_WORK: &str = "SELECT any_work($1)";

/// Whether a task of these names has been ready for so long.
const ANY_LATE: &str = "SELECT any_late($1, make_interval(secs => $2))";

/// Takes a worker from all places among the sleepers.
const LEAVE: &str = "DELETE FROM idle_worker WHERE process_id = $1";

/// The claim of any ready task, before it is known of which.
pub(crate) fn draw_any(worker: Uuid) -> Claim {
    draw(Uuid::nil(), worker)
}

/// What a worker found when it looked for work.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub(crate) struct Search {
    /// A task is ready that it can claim, and that no other worker is about to. It is no sleeper any more.
    pub(crate) work: bool,
    /// It was among the sleepers until then.
    pub(crate) listed: bool,
}

/// Moves the queue on, looks whether a task of these names is ready, and wakes others for the rest.
pub(crate) async fn look(
    db: &DatabaseConnection,
    place: &SleepPlace,
    names: &[String],
) -> Result<Search, DbErr> {
    let values = [BATCH.into(), names.to_vec().into(), place.known().into()];
    rows::only(db, db::sql(LOOK, values)).await
}

/// What came of a claim of any ready task.
#[derive(Debug)]
pub(crate) struct ReadyClaim {
    pub(crate) reply: ClaimReply,
    /// Whether another task is ready.
    pub(crate) more: bool,
}

/// The columns beside those of every claim.
#[derive(Debug, FromQueryResult)]
struct ReadyRow {
    task_id: Option<Uuid>,
    more: Option<bool>,
}

/// The column beside those of every claim of one that has finished a task.
#[derive(Debug, FromQueryResult)]
struct PlaceRow {
    place: Option<i64>,
}

impl ReadyClaim {
    fn read(claim: Claim, row: &QueryResult) -> Result<ReadyClaim, DbErr> {
        let ReadyRow { task_id, more } = ReadyRow::from_query_result(row, "")?;
        let claim = Claim { task: task_id.unwrap_or(claim.task), ..claim };
        Ok(ReadyClaim { reply: ClaimReply::read(claim, row)?, more: more.unwrap_or_default() })
    }
}

/// Claims a ready task of these names. `None` if the process had to stop, or was reaped, before there was a
/// reply.
pub(crate) async fn claim(
    db: &DatabaseConnection,
    claim: Claim,
    names: &[String],
    until: Until<'_>,
) -> Option<ReadyClaim> {
    let statement = db::sql(CLAIM, [claim.worker.into(), claim.token.into(), names.to_vec().into()]);
    let reply = claims::claimed(db, statement, |row| ReadyClaim::read(claim, row), until).await?;
    let refused = |error: DbErr| ReadyClaim { reply: ClaimReply::Refused(error.to_string()), more: false };
    Some(reply.unwrap_or_else(refused))
}

/// Finishes a task, and claims another one in the same commit as `next`, or if none is ready puts the worker
/// among the sleepers. `None` if there was no reply in time.
pub(crate) async fn finish(
    db: &DatabaseConnection,
    claim: Claim,
    ended: &Ended,
    next: Option<Claim>,
    (names, place): (&[String], &SleepPlace),
    until: Until<'_>,
) -> Option<Option<ReadyClaim>> {
    let values = vec![next.map(|next| next.token).into(), names.to_vec().into()];
    let read = |row: &QueryResult| {
        if let Some(number) = PlaceRow::from_query_result(row, "")?.place {
            place.moved(number);
        }
        next.map(|next| ReadyClaim::read(next, row)).transpose()
    };
    claims::finished(db, claim, ended, Finish { sql: FINISH, next: values }, read, until).await
}

/// Where a worker is among the sleepers; it moves with every sleep.
#[derive(Debug, Default)]
pub(crate) struct SleepPlace(AtomicI64);

impl SleepPlace {
    fn known(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn moved(&self, number: i64) {
        self.0.store(number, Ordering::Relaxed);
    }
}

/// Puts a worker among the sleepers, if it is not there. It has to look once more.
pub(crate) async fn fall_asleep(
    db: &DatabaseConnection,
    worker: Uuid,
    place: &SleepPlace,
) -> Result<(), DbErr> {
    place.moved(rows::value(db, db::sql(FALL_ASLEEP, [worker.into(), place.known().into()])).await?);
    Ok(())
}

/// For how long a task has been ready, in seconds, of which no worker was told or for which none comes.
const LATE: f64 = 0.5;

/// What a worker does that has slept for long: puts it among the sleepers if a wake that got lost has taken
/// it from them, and returns whether it has reason to look. If a shared listener looks for it, only what is
/// late is a reason.
pub(crate) async fn sleep_on(
    db: &DatabaseConnection,
    worker: Uuid,
    place: &SleepPlace,
    names: &[String],
    attended: bool,
) -> Result<bool, DbErr> {
    let late = attended.then_some(LATE);
    let values = [worker.into(), place.known().into(), names.to_vec().into(), late.into()];
    let found: Vec<(i64, bool)> = rows::tuples(db, db::sql(SLEEP_ON, values)).await?;
    let Some((number, work)) = found.first() else { return Ok(true) };
    place.moved(*number);
    Ok(*work)
}

/// Whether there are notices or ready tasks of these names, those included that a worker is about to claim.
pub(crate) async fn any_work(db: &DatabaseConnection, names: &[String]) -> Result<bool, DbErr> {
    rows::value(db, db::sql(ANY_WORK, [names.to_vec().into()])).await
}

/// Whether a task of these names is ready for which no worker comes.
pub(crate) async fn any_late(db: &DatabaseConnection, names: &[String]) -> Result<bool, DbErr> {
    rows::value(db, db::sql(ANY_LATE, [names.to_vec().into(), LATE.into()])).await
}

/// Takes a worker from the sleepers for good, also from places of which it was not told. Looks at all
/// sleepers.
pub(crate) async fn leave(db: &DatabaseConnection, worker: Uuid) -> Result<(), DbErr> {
    db.execute_raw(db::sql(LEAVE, [worker.into()])).await?;
    Ok(())
}
