//! The unfinished tasks, read page by page in the order in which they get their resources.

use std::collections::HashMap;
use std::sync::Arc;

use entities::db;
use entities::task::TaskState;
use sea_orm::{DatabaseConnection, DbErr, FromQueryResult};
use uuid::Uuid;

use super::lines::{Behind, Lines};
use crate::queue::rows;

/// Rows of one read.
const PAGE: i64 = 10_000;

const COLUMNS: &str = "pulp_id, seq, name, state::text AS state, worker_id, exclusive_resources, shared_resources,
                       extract(epoch FROM clock_timestamp() - pulp_created)::float8 AS age,
                       extract(epoch FROM clock_timestamp() - coalesce(started_at, pulp_last_updated))::float8 AS runs,
                       extract(epoch FROM clock_timestamp() - pulp_last_updated)::float8 AS unchanged";

/// An unfinished task. Times are in seconds.
#[derive(Clone, Debug)]
pub(super) struct Unfinished {
    pub(super) id: Uuid,
    pub(super) name: Arc<str>,
    pub(super) state: TaskState,
    pub(super) worker: Option<Uuid>,
    /// Since its dispatch.
    pub(super) age: f64,
    /// Since its start, if it runs.
    pub(super) runs: f64,
    /// Since its row changed.
    pub(super) unchanged: f64,
    /// The first of those in its way.
    pub(super) behind: Option<usize>,
    /// What is in its way; kept only of those that are shown.
    pub(super) blockers: Box<[Behind]>,
}

/// A row as it is read.
#[derive(Debug, FromQueryResult)]
struct UnfinishedRow {
    pulp_id: Uuid,
    seq: i64,
    name: String,
    state: TaskState,
    worker_id: Option<Uuid>,
    exclusive_resources: Vec<String>,
    shared_resources: Vec<String>,
    age: f64,
    runs: f64,
    unchanged: f64,
}

/// All unfinished tasks, those that run first, then those that wait, in their order. Of the first `shown` it
/// is kept what is in their way.
pub(super) async fn read(db: &DatabaseConnection, shown: usize) -> Result<Vec<Unfinished>, DbErr> {
    let mut reading = Reading { lines: Lines::default(), names: HashMap::new(), tasks: Vec::new(), shown };
    let sql = format!(
        "SELECT {COLUMNS} FROM task WHERE worker_id IS NOT NULL AND finished_at IS NULL ORDER BY seq"
    );
    reading.take(rows::all(db, db::sql(&sql, [])).await?);
    let sql =
        format!("SELECT {COLUMNS} FROM task WHERE state = 'waiting' AND seq > $1 ORDER BY seq LIMIT {PAGE}");
    let mut last = 0i64;
    loop {
        let page: Vec<UnfinishedRow> = rows::all(db, db::sql(&sql, [last.into()])).await?;
        let Some(end) = page.last() else { return Ok(reading.tasks) };
        last = end.seq;
        reading.take(page);
    }
}

struct Reading {
    lines: Lines,
    names: HashMap<String, Arc<str>>,
    tasks: Vec<Unfinished>,
    shown: usize,
}

impl Reading {
    fn take(&mut self, rows: Vec<UnfinishedRow>) {
        for row in rows {
            let name = self.names.entry(row.name).or_insert_with_key(|name| Arc::from(name.as_str())).clone();
            let behind = self.lines.join(row.exclusive_resources, row.shared_resources);
            let first = behind.iter().map(|behind| behind.first).min();
            let blockers = if self.tasks.len() < self.shown { behind.into() } else { Box::default() };
            self.tasks.push(Unfinished {
                id: row.pulp_id,
                name,
                state: row.state,
                worker: row.worker_id,
                age: row.age,
                runs: row.runs,
                unchanged: row.unchanged,
                // What runs has its resources, whatever a task before it in this list would say.
                behind: first.filter(|_| row.state == TaskState::Waiting),
                blockers,
            });
        }
    }
}
