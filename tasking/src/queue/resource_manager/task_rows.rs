//! What the manager reads from Postgres: new tasks in their order, the state of tasks, the workers.
//!
//! Sequence numbers are drawn before the commit, so a row can appear below the watermark later: numbers that were
//! skipped are remembered as gaps until no transaction can fill them any more. Watermark and gaps are read in one statement, so that a task whose
//! acceptance was answered before another was asked for is never seen after it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use entities::db;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, QueryResult};
use uuid::Uuid;

/// Rows of one read.
const PAGE: i64 = 1000;

/// After this a skipped number is looked for only as long as a transaction is open that may have drawn it. (Between
/// its number and its first write a transaction is not known as open; that takes microseconds.)
const GAP_LIFE: Duration = Duration::from_secs(5);

/// How often it is looked which transactions are open, while there are such gaps.
const HORIZON: Duration = Duration::from_secs(2);

/// Skipped numbers remembered at most; the oldest are let go.
const GAPS: usize = 10_000;

/// How many read ids are remembered, to know late notices.
const READ: usize = 8192;

/// An unfinished task.
#[derive(Debug)]
pub(super) struct TaskRow {
    pub(super) id: Uuid,
    pub(super) seq: i64,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) worker: Option<Uuid>,
    pub(super) exclusive: Vec<String>,
    pub(super) shared: Vec<String>,
}

const COLUMNS: &str =
    "pulp_id, seq, name, state::text AS state, worker_id, exclusive_resources, shared_resources";

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
    /// Begins at the present end of the sequence. Answers every unfinished task: those that run first, then those
    /// that wait, in their order.
    pub(super) async fn begin(&mut self, db: &DatabaseConnection) -> Result<Vec<TaskRow>, DbErr> {
        let row = db.query_one_raw(db::sql("SELECT coalesce(max(seq), 0) AS seq FROM task", [])).await?;
        self.watermark = row.map_or(Ok(0), |row| row.try_get("", "seq"))?;
        let first = self.watermark.saturating_sub(PAGE);
        let sql = "SELECT number FROM generate_series(greatest($1, 1), $2) AS number
                   WHERE NOT EXISTS (SELECT 1 FROM task WHERE seq = number)";
        let now = Instant::now();
        for row in db.query_all_raw(db::sql(sql, [first.into(), self.watermark.into()])).await? {
            self.gaps.insert(row.try_get("", "number")?, Gap::new(now));
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM task WHERE worker_id IS NOT NULL AND finished_at IS NULL ORDER BY seq"
        );
        let mut rows: Vec<TaskRow> = parse(db.query_all_raw(db::sql(&sql, [])).await?)?;
        let sql = format!(
            "SELECT {COLUMNS} FROM task WHERE state = 'waiting' AND seq > $1 AND seq <= $2
             ORDER BY seq LIMIT {PAGE}"
        );
        let mut last = 0;
        loop {
            let page = db.query_all_raw(db::sql(&sql, [last.into(), self.watermark.into()])).await?;
            let page = parse(page)?;
            let Some(end) = page.last() else { return Ok(rows) };
            last = end.seq;
            rows.extend(page);
        }
    }

    /// What was found since it was asked last, in order.
    pub(super) fn take(&mut self) -> Vec<TaskRow> {
        std::mem::take(&mut self.found)
    }

    /// Finds tasks that have appeared since, in their order; those in a gap come with the others of the same read.
    pub(super) async fn read(&mut self, db: &DatabaseConnection) -> Result<(), DbErr> {
        self.look_for_ends(db).await?;
        let sql = format!(
            "(SELECT {COLUMNS} FROM task WHERE seq > $1 ORDER BY seq LIMIT {PAGE})
             UNION ALL (SELECT {COLUMNS} FROM task WHERE seq = ANY($2)) ORDER BY seq"
        );
        loop {
            let now = Instant::now();
            let gaps: Vec<i64> = self.gaps.keys().copied().collect();
            let rows = parse(db.query_all_raw(db::sql(&sql, [self.watermark.into(), gaps.into()])).await?)?;
            let full = rows.len() >= PAGE as usize;
            self.gaps.retain(|_, gap| !gap.over);
            for row in rows {
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
        if self.looked.is_some_and(|looked| now.duration_since(looked) < HORIZON)
            || !self.gaps.values().any(is_old)
        {
            return Ok(());
        }
        let sql = "SELECT pg_snapshot_xmin(now)::text::bigint AS oldest, pg_snapshot_xmax(now)::text::bigint AS next
                   FROM pg_current_snapshot() AS now";
        let Some(row) = db.query_one_raw(db::sql(sql, [])).await? else { return Ok(()) };
        let (oldest, next): (i64, i64) = (row.try_get("", "oldest")?, row.try_get("", "next")?);
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
        self.found.extend(parse(db.query_all_raw(db::sql(&sql, [missing.clone().into()])).await?)?);
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

/// Where tasks are now: state and worker. A task without a row is not answered.
pub(super) async fn states(
    db: &DatabaseConnection,
    ids: Vec<Uuid>,
) -> Result<Vec<(Uuid, String, Option<Uuid>)>, DbErr> {
    let sql = "SELECT pulp_id, state::text AS state, worker_id FROM task WHERE pulp_id = ANY($1)";
    let rows = db.query_all_raw(db::sql(sql, [ids.into()])).await?;
    rows.iter()
        .map(|row| {
            Ok((row.try_get("", "pulp_id")?, row.try_get("", "state")?, row.try_get("", "worker_id")?))
        })
        .collect()
}

/// Workers that are not given up, with their names.
pub(super) async fn workers(db: &DatabaseConnection) -> Result<Vec<(Uuid, String)>, DbErr> {
    let sql = "SELECT pulp_id, name FROM process WHERE kind = 'worker' AND gone_at IS NULL";
    let rows = db.query_all_raw(db::sql(sql, [])).await?;
    rows.iter().map(|row| Ok((row.try_get("", "pulp_id")?, row.try_get("", "name")?))).collect()
}

/// The names of the tasks that these workers know.
pub(super) async fn tasks_of(
    db: &DatabaseConnection,
    workers: Vec<Uuid>,
) -> Result<HashMap<Uuid, Vec<String>>, DbErr> {
    let sql = "SELECT pulp_id, tasks FROM process WHERE pulp_id = ANY($1)";
    let rows = db.query_all_raw(db::sql(sql, [workers.into()])).await?;
    rows.iter().map(|row| Ok((row.try_get("", "pulp_id")?, row.try_get("", "tasks")?))).collect()
}

/// Ends waiting tasks that no live worker knows; answers which, or nothing if the epoch is over.
pub(super) async fn fail_unknown(
    db: &DatabaseConnection,
    tasks: Vec<Uuid>,
    epoch: i64,
) -> Result<Option<Vec<Uuid>>, DbErr> {
    let sql = "SELECT fail_unknown($1, $2) AS ended";
    let row = db.query_one_raw(db::sql(sql, [tasks.into(), epoch.into()])).await?;
    Ok(row.map(|row| row.try_get("", "ended")).transpose()?.flatten())
}

/// Ends tasks whose process is gone; answers which, or nothing if the epoch is over.
pub(super) async fn end_abandoned(db: &DatabaseConnection, epoch: i64) -> Result<Option<Vec<Uuid>>, DbErr> {
    let row = db.query_one_raw(db::sql("SELECT end_orphaned($1) AS ended", [epoch.into()])).await?;
    Ok(row.map(|row| row.try_get("", "ended")).transpose()?.flatten())
}

fn parse(rows: Vec<QueryResult>) -> Result<Vec<TaskRow>, DbErr> {
    rows.iter()
        .map(|row| {
            Ok(TaskRow {
                id: row.try_get("", "pulp_id")?,
                seq: row.try_get("", "seq")?,
                name: row.try_get("", "name")?,
                state: row.try_get("", "state")?,
                worker: row.try_get("", "worker_id")?,
                exclusive: row.try_get("", "exclusive_resources")?,
                shared: row.try_get("", "shared_resources")?,
            })
        })
        .collect()
}
