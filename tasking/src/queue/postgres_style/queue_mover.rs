//! Gets things moving after a commit: reads the notices, and wakes workers that sleep.
//!
//! Always outside of the transaction that wrote: a NOTIFY in there would end the grouping of commits. Nobody
//! waits for it, and nothing depends on it: a worker that is awake, or that looks again after a second, does
//! the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use entities::{Settings, db};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;

use super::in_time;

/// Notices that are read in one step.
pub(super) const BATCH: i32 = 1000;

/// How long a step may take before nobody waits for it any more.
const BOUND: Duration = Duration::from_secs(5);

/// How long notices are collected at first when nobody sleeps who could be woken.
const SHORTEST: Duration = Duration::from_millis(1);

/// How long at most: whoever runs out of tasks reads them itself.
const LONGEST: Duration = Duration::from_millis(20);

/// For how long it holds that nobody sleeps.
const BUSY: Duration = Duration::from_millis(100);

/// There may be notices.
const NOTICES: u8 = 1;

/// There is a task that could run, and nobody has been told.
const READY: u8 = 2;

/// There is a task that could run, and somebody may be on the way to it.
const LEFT: u8 = 4;

/// How long a worker may be on its way before another one is woken for the same task.
const ON_THE_WAY: Duration = Duration::from_millis(2);

/// Reads changes, at most `$1`, and wakes an idle worker for each task that became ready but for `$2` of
/// them, which the caller claims. `enough` is null if none had to be woken.
const ADVANCE: &str = "
SELECT more, woken = wanted AS enough FROM (
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

/// How long notices are collected before the next step: twice as long with each that finds nobody asleep. One
/// that finds nobody may just have come between two tasks of a worker, and the task it came for should not
/// wait for that.
#[derive(Debug, Default)]
struct Collecting {
    pause: Duration,
    nobody_slept: Option<Instant>,
}

impl Collecting {
    fn pause(&self, now: Instant) -> Duration {
        match self.nobody_slept {
            Some(moment) if now.duration_since(moment) < BUSY => self.pause,
            _ => Duration::ZERO,
        }
    }

    /// Takes note of what a step has found: whether there were sleepers enough for what is ready.
    fn note(&mut self, enough_asleep: bool, now: Instant) {
        *self = match enough_asleep {
            true => Collecting::default(),
            false => {
                Collecting { pause: (self.pause(now) * 2).clamp(SHORTEST, LONGEST), nobody_slept: Some(now) }
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

    /// Reads notices soon, and wakes somebody for each task that is ready then, and for one more if `more`
    /// are.
    pub(crate) fn promote(&self, more: bool) {
        self.ask(if more { NOTICES | READY } else { NOTICES });
    }

    /// Wakes somebody soon, if anybody sleeps.
    pub(crate) fn wake(&self) {
        self.ask(READY);
    }

    /// Wakes somebody if there is still a task ready that a worker has left to others.
    pub(crate) fn wake_for_what_is_left(&self) {
        self.ask(LEFT);
    }

    /// Tells a worker soon that its task was canceled.
    pub(crate) fn tell_canceled(&self, worker: Uuid) {
        let inner = self.0.clone();
        tokio::spawn(async move {
            let told = async {
                let sql = "SELECT pg_notify(worker_channel($1), 'cancel')";
                inner.db().await?.execute_raw(db::sql(sql, [worker.into()])).await
            };
            if let Err(error) = in_time(BOUND, told).await {
                tracing::debug!(%error, %worker, "a cancel could not be told; the worker finds it in the row");
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
            // Whoever asks from now on is answered by the next step, which sees what was committed before.
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
                    let promoted = promote(db, claims).await?;
                    if let Some(enough) = promoted.enough_asleep {
                        collecting.note(enough, Instant::now());
                    }
                    if !promoted.more {
                        return Ok(());
                    }
                }
            };
            if let Err(error) = in_time(BOUND, step).await {
                tracing::debug!(%error, "the queue could not be moved on; another worker does it");
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    /// There are more notices.
    more: bool,
    /// Whether there were sleepers for all tasks that became ready; nothing if nobody was needed.
    enough_asleep: Option<bool>,
}

/// Reads notices, and wakes a sleeper for each task that is ready by that but for `claims` of them, which the caller
/// claims itself.
pub(crate) async fn promote(db: &DatabaseConnection, claims: i32) -> Result<Moved, DbErr> {
    let row = db.query_one_raw(db::sql(ADVANCE, [BATCH.into(), claims.into()])).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("advance_queue".to_owned()))?;
    Ok(Moved { more: row.try_get("", "more")?, enough_asleep: row.try_get("", "enough")? })
}

/// Wakes a sleeper if there is something to do that nobody has begun. Answers how many; nothing if nobody is
/// needed.
async fn wake(db: &DatabaseConnection) -> Result<Option<i32>, DbErr> {
    let row = db.query_one_raw(db::sql(WAKE, [])).await?;
    row.map_or(Ok(None), |row| row.try_get("", "woken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_collected_for_longer_only_while_nobody_is_found_asleep() {
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
        assert_eq!(collecting.pause(now), Duration::ZERO, "somebody slept");
    }
}
