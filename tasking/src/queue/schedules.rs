//! Schedules: tasks that are dispatched again and again without a request (T67).
//!
//! The leader dispatches what is due, or without a leader the coordinator of the workers. That they may be
//! two for a moment, or end at any moment, does no harm: a task and what its schedule says of it are written
//! by one statement, which holds only if the schedule is still what was read. Postgres's clock alone counts.

mod chores;

use std::time::Duration;

use entities::{Pulp, Result, db, task_schedule};
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::queue::dispatch::NewTask;
use crate::queue::repeats::Repeats;
use crate::queue::rows;
use crate::{Dispatcher, Task};

/// The longest pause between two looks: schedules change behind our back.
const LOOK: Duration = Duration::from_secs(10);

/// The shortest one, however short an interval may be.
const BREATH: Duration = Duration::from_millis(50);

/// The pause while the last task of a schedule goes on though the next one is due.
const OUTSTANDING: Duration = Duration::from_secs(1);

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Schedules read in one look.
const BATCH: i64 = 100;

/// Removes a schedule from every domain.
const REMOVE: &str = "DELETE FROM task_schedule WHERE name = $1";

/// What is due, or will be before the next look; those that wait for their last task come last, lest they
/// keep out others.
const NEAR: &str = "SELECT near.* FROM (
                        SELECT task_schedule.*,
                               extract(epoch FROM next_dispatch - clock_timestamp())::float8 AS seconds,
                               EXISTS (SELECT 1 FROM task WHERE task.pulp_id = last_task_id
                                       AND state IN ('waiting', 'running', 'canceling')) AS outstanding
                        FROM task_schedule WHERE next_dispatch <= clock_timestamp() + $1 * interval '1 second') AS near
                    ORDER BY outstanding, next_dispatch LIMIT $2";

/// Makes a schedule in every domain, or changes it. Its first task is due after one `interval`; one that is
/// there keeps its time, unless the new interval ends sooner.
///
/// # Errors
/// If the database is away, or the arguments of the task are nothing that JSON can hold.
pub async fn keep<T: Task>(
    db: &impl ConnectionTrait,
    name: &str,
    task: &T,
    interval: Duration,
) -> Result<()> {
    let sql =
        "INSERT INTO task_schedule (pulp_id, pulp_domain_id, name, task_name, args, exclusive_resources,
                                          shared_resources, dispatch_interval, next_dispatch)
               SELECT gen_random_uuid(), pulp_id, $1, $2, $3, $4, $5, $6,
                      clock_timestamp() + $6 * interval '1 microsecond' FROM domain
               ON CONFLICT (pulp_domain_id, name) DO UPDATE SET
                   task_name = EXCLUDED.task_name, args = EXCLUDED.args,
                   exclusive_resources = EXCLUDED.exclusive_resources,
                   shared_resources = EXCLUDED.shared_resources,
                   dispatch_interval = EXCLUDED.dispatch_interval,
                   next_dispatch = least(task_schedule.next_dispatch, EXCLUDED.next_dispatch)";
    let draft = NewTask::of(task)?;
    let microseconds = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX).max(1);
    let values = [
        name.into(),
        draft.name.into(),
        draft.args.into(),
        draft.exclusive.into(),
        draft.shared.into(),
        microseconds.into(),
    ];
    db.execute_raw(db::sql(sql, values)).await?;
    Ok(())
}

/// Removes a schedule from every domain. Its last task stays.
pub async fn remove(db: &impl ConnectionTrait, name: &str) -> Result<()> {
    db.execute_raw(db::sql(REMOVE, [name.into()])).await?;
    Ok(())
}

/// Dispatches what is due and has no unfinished task. Returns how many tasks that were, and when to look
/// again.
///
/// # Errors
/// If the database is away. What was dispatched stays dispatched.
pub async fn dispatch_due(dispatcher: &Dispatcher) -> Result<(usize, Duration)> {
    let near = db::sql(NEAR, [LOOK.as_secs_f64().into(), BATCH.into()]);
    let near: Vec<Near> = rows::all(&dispatcher.pulp().db, near).await?;
    let mut pause = if near.len() as i64 == BATCH { BREATH } else { LOOK };
    let mut dispatched = 0;
    for Near { schedule, seconds, outstanding } in near {
        if outstanding {
            pause = pause.min(OUTSTANDING);
        } else if seconds > 0.0 {
            pause = pause.min(Duration::from_secs_f64(seconds));
        } else {
            let interval = schedule.dispatch_interval.and_then(|us| u64::try_from(us).ok());
            pause = pause.min(interval.map_or(LOOK, Duration::from_micros));
            if let Some(task) = dispatcher.dispatch_due(&schedule).await? {
                tracing::info!(schedule = schedule.name, %task, name = schedule.task_name, "a task was due");
                dispatched += 1;
            }
        }
    }
    Ok((dispatched, pause.max(BREATH)))
}

/// Brings the schedules into line with the settings, and dispatches what is due, until it is dropped.
pub(crate) async fn run(pulp: Pulp) {
    let dispatcher = Dispatcher::new(pulp.clone());
    let mut agreed = false;
    let failing = Repeats::default();
    loop {
        let look = async {
            if !agreed {
                chores::agree(&pulp).await?;
            }
            dispatch_due(&dispatcher).await
        };
        let pause = match tokio::time::timeout(PATIENCE, look).await {
            Ok(Ok((_, pause))) => {
                agreed = true;
                failing.over();
                pause
            }
            Ok(Err(error)) => {
                if let Some(times) = failing.due() {
                    tracing::warn!(%error, times, "cannot dispatch scheduled tasks; retrying");
                }
                LOOK
            }
            Err(_) => {
                if let Some(times) = failing.due() {
                    tracing::warn!(times, "dispatching scheduled tasks timed out; retrying");
                }
                LOOK
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// A schedule as a look finds it.
#[derive(FromQueryResult)]
struct Near {
    #[sea_orm(nested)]
    schedule: task_schedule::Model,
    /// Until it is due.
    seconds: f64,
    /// Whether its last task has not ended.
    outstanding: bool,
}
