//! The queue mover: after a commit it reads the notices, and wakes workers that sleep.
//!
//! Always outside of the transaction that wrote: a NOTIFY in there would end the grouping of commits. Nothing
//! waits for it or depends on it: a worker that is awake, or that looks again after a second, does the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use entities::{Settings, db};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult};
use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;

use super::in_time;
use crate::queue::rows;

/// Notices that are read in one step.
pub(super) const BATCH: i32 = 1000;

/// How long a step may take before it is abandoned.
const BOUND: Duration = Duration::from_secs(5);

/// How long notices are collected at first when no sleeper could be woken.
const SHORTEST: Duration = Duration::from_millis(1);

/// How long at most: a worker that runs out of tasks reads them itself.
const LONGEST: Duration = Duration::from_millis(20);

/// For how long it is assumed that no worker sleeps.
const BUSY: Duration = Duration::from_millis(100);

/// Reads changes, at most `$1`, and wakes an idle worker for each task that became ready but for `$2` of
/// them, which the caller claims. `enough_idle` is null if none had to be woken.
const ADVANCE: &str = "
SELECT more, woken = wanted AS enough_idle FROM (
    SELECT more, wanted, CASE WHEN wanted > 0 THEN wake_idle(wanted) END AS woken FROM (
        SELECT more, nullif(greatest(ready - $2, 0), 0) AS wanted FROM advance_queue($1, 0) OFFSET 0) AS advanced
    OFFSET 0) AS told";

/// Wakes an idle worker if there is a change or a ready task that no session is about to take; null if there
/// is none. Changes that a reader is about to take are that reader's to see to; if it fails, a look finds
/// them.
const WAKE: &str = "
SELECT CASE WHEN EXISTS (SELECT FROM task_change
                         WHERE number > (SELECT last_number('task_change_floor')) - 50 AND xmax = 0)
              OR EXISTS (SELECT FROM task_ready
                         WHERE number > (SELECT last_number('task_ready_floor')) AND xmax = 0)
       THEN wake_idle(1) END AS woken";

/// Tells a worker that its task was canceled.
const TELL_CANCELED: &str = "SELECT pg_notify(worker_channel($1), 'cancel')";

/// There may be notices.
const NOTICES: u8 = 1;

/// There is a task that could run, and no worker has been told.
const READY: u8 = 2;

/// There is a task that could run, and a worker may be on the way to it.
const LEFT: u8 = 4;

/// How long a worker may be on its way before another one is woken for the same task.
const ON_THE_WAY: Duration = Duration::from_millis(2);

/// Cheap to clone. Requests that come while one is under way are answered by one more.
#[derive(Clone, Debug)]
pub(crate) struct QueueMover(Arc<MoverInner>);

#[derive(Debug)]
struct MoverInner {
    settings: Arc<Settings>,
    application_name: String,
    /// One session; opened when it is first needed.
    pool: OnceCell<DatabaseConnection>,
    asked: AtomicU8,
    /// Held during a step.
    turn: Mutex<Collecting>,
}

/// How long notices are collected before the next step: twice as long with each that finds no sleeper. One
/// that finds none may just have come between two tasks of a worker, and the task it came for should not wait
/// for that.
#[derive(Debug, Default)]
struct Collecting {
    pause: Duration,
    no_sleeper: Option<Instant>,
}

impl Collecting {
    fn pause(&self, now: Instant) -> Duration {
        match self.no_sleeper {
            Some(moment) if now.duration_since(moment) < BUSY => self.pause,
            _ => Duration::ZERO,
        }
    }

    /// Takes note of what a step has found: whether there were sleepers enough for what is ready.
    fn note(&mut self, enough_idle: bool, now: Instant) {
        *self = match enough_idle {
            true => Collecting::default(),
            false => {
                Collecting { pause: (self.pause(now) * 2).clamp(SHORTEST, LONGEST), no_sleeper: Some(now) }
            }
        };
    }
}

impl QueueMover {
    /// With a session of its own, so that it never waits for those of tasks or requests.
    pub(crate) fn new(settings: &Arc<Settings>, application_name: &str) -> QueueMover {
        QueueMover(Arc::new(MoverInner {
            settings: settings.clone(),
            application_name: application_name.to_owned(),
            pool: OnceCell::new(),
            asked: AtomicU8::new(0),
            turn: Mutex::default(),
        }))
    }

    /// Reads notices soon, and wakes a worker for each task that is ready then, and for one more if `more`
    /// are.
    pub(crate) fn move_soon(&self, more: bool) {
        self.ask(if more { NOTICES | READY } else { NOTICES });
    }

    /// Wakes a worker soon, if one sleeps.
    pub(crate) fn wake(&self) {
        self.ask(READY);
    }

    /// Wakes a worker if there is still a task ready that a worker has left to others.
    pub(crate) fn wake_for_what_is_left(&self) {
        self.ask(LEFT);
    }

    /// Tells a worker soon that its task was canceled.
    pub(crate) fn tell_canceled(&self, worker: Uuid) {
        let inner = self.0.clone();
        tokio::spawn(async move {
            let told = async { inner.db().await?.execute_raw(db::sql(TELL_CANCELED, [worker.into()])).await };
            if let Err(error) = in_time(BOUND, told).await {
                tracing::debug!(%error, %worker, "cannot notify the worker of a cancel; it finds it in the row");
            }
        });
    }

    fn ask(&self, what: u8) {
        if self.0.asked.fetch_or(what, Ordering::AcqRel) != 0 {
            return;
        }
        let inner = self.0.clone();
        tokio::spawn(async move {
            let mut collecting = inner.turn.lock().await;
            let mut pause = collecting.pause(Instant::now());
            if inner.asked.load(Ordering::Acquire) == LEFT {
                pause = pause.max(ON_THE_WAY);
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            // What is asked from now on is done by the next step, which sees what was committed before.
            let asked = inner.asked.swap(0, Ordering::AcqRel);
            let step = async {
                let db = inner.db().await?;
                if asked & NOTICES == 0 {
                    if let Some(woken) = wake(db).await? {
                        collecting.note(woken > 0, Instant::now());
                    }
                    return Ok::<_, DbErr>(());
                }
                let claims = if asked & (READY | LEFT) == 0 { 0 } else { -1 };
                loop {
                    let moved = move_queue(db, claims).await?;
                    if let Some(enough) = moved.enough_idle {
                        collecting.note(enough, Instant::now());
                    }
                    if !moved.more {
                        return Ok(());
                    }
                }
            };
            if let Err(error) = in_time(BOUND, step).await {
                tracing::debug!(%error, "cannot move the queue on; another worker will");
            }
        });
    }
}

impl MoverInner {
    async fn db(&self) -> Result<&DatabaseConnection, DbErr> {
        let open = || db::connect_for_lookups(&self.settings, &self.application_name, 1);
        self.pool.get_or_try_init(open).await
    }
}

/// What came of reading notices.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub(crate) struct Moved {
    /// There are more notices.
    more: bool,
    /// Whether there were sleepers for all tasks that became ready; nothing if none was needed.
    enough_idle: Option<bool>,
}

/// Reads notices, and wakes a sleeper for each task that is ready by that but for `claims` of them, which the
/// caller claims itself.
pub(crate) async fn move_queue(db: &DatabaseConnection, claims: i32) -> Result<Moved, DbErr> {
    rows::only(db, db::sql(ADVANCE, [BATCH.into(), claims.into()])).await
}

/// Wakes a sleeper if there is something to do that no worker has begun. Returns how many; nothing if none is
/// needed.
async fn wake(db: &DatabaseConnection) -> Result<Option<i32>, DbErr> {
    rows::value(db, db::sql(WAKE, [])).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_collected_for_longer_only_while_no_sleeper_is_found() {
        let (now, mut collecting) = (Instant::now(), Collecting::default());
        assert_eq!(collecting.pause(now), Duration::ZERO, "the first step comes at once");
        collecting.note(false, now);
        assert_eq!(collecting.pause(now), SHORTEST, "it may have come between two tasks of a worker");
        for _ in 0..10 {
            collecting.note(false, now);
        }
        assert_eq!(collecting.pause(now), LONGEST);
        assert_eq!(collecting.pause(now + BUSY), Duration::ZERO, "who was awake then may sleep by now");
        collecting.note(true, now);
        assert_eq!(collecting.pause(now), Duration::ZERO, "a worker slept");
    }
}
