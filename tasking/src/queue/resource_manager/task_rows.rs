//! What the manager reads from Postgres: new tasks in their order, the state of tasks, the workers.
//!
//! Sequence numbers are drawn before the commit, so a row can appear below the watermark later: numbers that
//! were skipped are remembered as gaps until no transaction can fill them any more. Watermark and gaps are
//! read in one statement, so that a task whose acceptance was answered before another was asked for is never
//! seen after it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use entities::db;
use entities::task::TaskState;
use sea_orm::{DatabaseConnection, DbErr, FromQueryResult};
use uuid::Uuid;

use crate::queue::rows;

/// Rows of one read.
const PAGE: i64 = 1000;

/// After this a skipped number is looked for only as long as a transaction is open that may have drawn it.
/// (Between its number and its first write a transaction is not known as open; that takes microseconds.)
const GAP_LIFE: Duration = Duration::from_secs(5);

/// How often it is looked which transactions are open, while there are such gaps.
const LOOK_AT_OPEN: Duration = Duration::from_secs(2);

/// Skipped numbers remembered at most; the oldest are let go.
const GAPS: usize = 10_000;

/// How many read ids are remembered, to know late notices.
const READ: usize = 8192;

/// An unfinished task.
#[derive(Debug, FromQueryResult)]
pub(super) struct TaskRow {
    #[sea_orm(from_alias = "pulp_id")]
    pub(super) id: Uuid,
    pub(super) seq: i64,
    pub(super) name: String,
    pub(super) state: TaskState,
    #[sea_orm(from_alias = "worker_id")]
    pub(super) worker: Option<Uuid>,
    #[sea_orm(from_alias = "exclusive_resources")]
    pub(super) exclusive: Vec<String>,
    #[sea_orm(from_alias = "shared_resources")]
    pub(super) shared: Vec<String>,
}

const COLUMNS: &str =
    "pulp_id, seq, name, state::text AS state, worker_id, exclusive_resources, shared_resources";

/// The last sequence number.
const LAST: &str = "SELECT coalesce(max(seq), 0) FROM task";

/// Sequence numbers without a row.
const SKIPPED: &str = "SELECT number FROM generate_series(greatest($1, 1), $2) AS number
                       WHERE NOT EXISTS (SELECT 1 FROM task WHERE seq = number)";

/// Which transactions are open.
const OPEN: &str =
    "SELECT pg_snapshot_xmin(now)::text::bigint AS oldest, pg_snapshot_xmax(now)::text::bigint AS next
                    FROM pg_current_snapshot() AS now";

/// Where tasks are now.
const POSITIONS: &str = "SELECT pulp_id, state::text AS state, worker_id FROM task WHERE pulp_id = ANY($1)";

/// The registered workers.
const WORKERS: &str = "SELECT pulp_id, name FROM process WHERE kind = 'worker' AND gone_at IS NULL";

/// The names of the tasks that workers know.
const KNOWN_TASKS: &str = "SELECT pulp_id, tasks FROM process WHERE pulp_id = ANY($1)";

/// Fails waiting tasks whose type is registered in no live process: tasks, epoch.
const FAIL_UNKNOWN: &str = "SELECT fail_unknown($1, $2)";

/// Fails tasks whose process is gone: epoch.
const END_ABANDONED: &str = "SELECT end_orphaned($1)";

/// Transactions below `oldest` have ended; those from `next` have not begun.
#[derive(Debug, FromQueryResult)]
struct Horizon {
    oldest: i64,
    next: i64,
}

/// A number without a row.
#[derive(Debug)]
struct Gap {
    since: Instant,
    /// Transactions below this one may have drawn it.
    horizon: Option<i64>,
    /// All of them have ended. If the row is not there now, it never will be.
    over: bool,
}

impl Gap {
    fn new(since: Instant) -> Gap {
        Gap { since, horizon: None, over: false }
    }
}

/// How far the rows are read.
#[derive(Debug, Default)]
pub(super) struct Feed {
    watermark: i64,
    gaps: BTreeMap<i64, Gap>,
    /// When it was last looked which transactions are open.
    looked: Option<Instant>,
    /// What was read and not taken yet: a failure in between must not lose it, it is not read again.
    found: Vec<TaskRow>,
    recent: HashSet<Uuid>,
    order: VecDeque<Uuid>,
}

impl Feed {
    /// Begins at the present end of the sequence. Returns every unfinished task: those that run first, then
    /// those that wait, in their order.
    pub(super) async fn begin(&mut self, db: &DatabaseConnection) -> Result<Vec<TaskRow>, DbErr> {
        self.watermark = rows::value(db, db::sql(LAST, [])).await?;
        let first = self.watermark.saturating_sub(PAGE);
        let now = Instant::now();
        for number in rows::column(db, db::sql(SKIPPED, [first.into(), self.watermark.into()])).await? {
            self.gaps.insert(number, Gap::new(now));
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM task WHERE worker_id IS NOT NULL AND finished_at IS NULL ORDER BY seq"
        );
        let mut found: Vec<TaskRow> = rows::all(db, db::sql(&sql, [])).await?;
        let sql = format!(
            "SELECT {COLUMNS} FROM task WHERE state = 'waiting' AND seq > $1 AND seq <= $2
             ORDER BY seq LIMIT {PAGE}"
        );
        let mut last = 0;
        loop {
            let page: Vec<TaskRow> =
                rows::all(db, db::sql(&sql, [last.into(), self.watermark.into()])).await?;
            let Some(end) = page.last() else { return Ok(found) };
            last = end.seq;
            found.extend(page);
        }
    }

    /// What was found since it was asked last, in order.
    pub(super) fn take(&mut self) -> Vec<TaskRow> {
        std::mem::take(&mut self.found)
    }

    /// Finds tasks that have appeared since, in their order; those in a gap come with the others of the same
    /// read.
    pub(super) async fn read(&mut self, db: &DatabaseConnection) -> Result<(), DbErr> {
        self.look_for_ends(db).await?;
        let sql = format!(
            "(SELECT {COLUMNS} FROM task WHERE seq > $1 ORDER BY seq LIMIT {PAGE})
             UNION ALL (SELECT {COLUMNS} FROM task WHERE seq = ANY($2)) ORDER BY seq"
        );
        loop {
            let now = Instant::now();
            let gaps: Vec<i64> = self.gaps.keys().copied().collect();
            let read: Vec<TaskRow> =
                rows::all(db, db::sql(&sql, [self.watermark.into(), gaps.into()])).await?;
            let full = read.len() >= PAGE as usize;
            self.gaps.retain(|_, gap| !gap.over);
            for row in read {
                if row.seq > self.watermark {
                    let skipped = (self.watermark + 1..row.seq).rev().take(GAPS);
                    self.gaps.extend(skipped.map(|number| (number, Gap::new(now))));
                    self.watermark = row.seq;
                } else {
                    self.gaps.remove(&row.seq);
                }
                self.remember(row.id);
                self.found.push(row);
            }
            while self.gaps.len() > GAPS {
                self.gaps.pop_first();
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// Finds out which old gaps no open transaction can fill any more.
    async fn look_for_ends(&mut self, db: &DatabaseConnection) -> Result<(), DbErr> {
        let now = Instant::now();
        let is_old = |gap: &Gap| now.duration_since(gap.since) > GAP_LIFE;
        if self.looked.is_some_and(|looked| now.duration_since(looked) < LOOK_AT_OPEN)
            || !self.gaps.values().any(is_old)
        {
            return Ok(());
        }
        let Horizon { oldest, next } = rows::only(db, db::sql(OPEN, [])).await?;
        for gap in self.gaps.values_mut().filter(|gap| is_old(gap)) {
            gap.over = gap.horizon.is_some_and(|horizon| horizon <= oldest);
            gap.horizon.get_or_insert(next);
        }
        self.looked = Some(now);
        Ok(())
    }

    /// Finds tasks that were announced and not read.
    pub(super) async fn missing(
        &mut self,
        db: &DatabaseConnection,
        announced: impl Iterator<Item = Uuid>,
    ) -> Result<(), DbErr> {
        let missing: Vec<Uuid> = announced.filter(|id| !self.recent.contains(id)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let sql = format!("SELECT {COLUMNS} FROM task WHERE pulp_id = ANY($1) ORDER BY seq");
        self.found.extend(rows::all::<TaskRow>(db, db::sql(&sql, [missing.clone().into()])).await?);
        for id in missing {
            self.remember(id);
        }
        Ok(())
    }

    fn remember(&mut self, id: Uuid) {
        if self.recent.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > READ
            && let Some(oldest) = self.order.pop_front()
        {
            self.recent.remove(&oldest);
        }
    }
}

/// Where a task is now.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub(super) struct TaskPosition {
    #[sea_orm(from_alias = "pulp_id")]
    pub(super) id: Uuid,
    pub(super) state: TaskState,
    #[sea_orm(from_alias = "worker_id")]
    pub(super) worker: Option<Uuid>,
}

/// Where tasks are now. A task without a row is not among them.
pub(super) async fn positions(db: &DatabaseConnection, ids: Vec<Uuid>) -> Result<Vec<TaskPosition>, DbErr> {
    rows::all(db, db::sql(POSITIONS, [ids.into()])).await
}

/// Workers that are registered, with their names.
pub(super) async fn workers(db: &DatabaseConnection) -> Result<Vec<(Uuid, String)>, DbErr> {
    rows::tuples(db, db::sql(WORKERS, [])).await
}

/// The names of the tasks that these workers know.
pub(super) async fn tasks_of(
    db: &DatabaseConnection,
    workers: Vec<Uuid>,
) -> Result<HashMap<Uuid, Vec<String>>, DbErr> {
    let known: Vec<(Uuid, Vec<String>)> = rows::tuples(db, db::sql(KNOWN_TASKS, [workers.into()])).await?;
    Ok(known.into_iter().collect())
}

/// Fails waiting tasks that no live worker knows, and returns them; nothing if the epoch is over.
pub(super) async fn fail_unknown(
    db: &DatabaseConnection,
    tasks: Vec<Uuid>,
    epoch: i64,
) -> Result<Option<Vec<Uuid>>, DbErr> {
    rows::value(db, db::sql(FAIL_UNKNOWN, [tasks.into(), epoch.into()])).await
}

/// Fails tasks whose process is gone, and returns them; nothing if the epoch is over.
pub(super) async fn end_abandoned(db: &DatabaseConnection, epoch: i64) -> Result<Option<Vec<Uuid>>, DbErr> {
    rows::value(db, db::sql(END_ABANDONED, [epoch.into()])).await
}
