//! Workers, the leader and the numbers of tasks, as Postgres has them.

use std::collections::{BTreeMap, HashMap, HashSet};

use entities::db;
use entities::task::TaskState;
use sea_orm::{DatabaseConnection, DbErr, FromQueryResult};
use uuid::Uuid;

use super::overview::RunningTask;
use crate::queue::rows;

/// Processes listed at most.
const MOST: i64 = 10_000;

/// Workers and resource managers that are alive, or ended within the last hour.
const PROCESSES: &str = "SELECT pulp_id, kind, name,
                           extract(epoch FROM coalesce(gone_at, clock_timestamp()) - last_heartbeat)::float8 AS silence,
                           extract(epoch FROM clock_timestamp() - gone_at)::float8 AS gone
                         FROM process JOIN process_beat ON process_id = pulp_id
                         WHERE kind IN ('worker', 'resource-manager')
                           AND (gone_at IS NULL OR gone_at > now() - interval '1 hour')
                         ORDER BY gone_at IS NOT NULL, kind, name LIMIT $1";

/// The row that says who leads.
const LEADER: &str =
    "SELECT epoch, process_id, extract(epoch FROM clock_timestamp() - since)::float8 AS since
                      FROM leader";

/// Claimed tasks that have not ended.
const RUNNING: &str = "SELECT worker_id, pulp_id, name, state = 'canceling' AS canceling,
                              extract(epoch FROM clock_timestamp() - started_at)::float8 AS seconds
                       FROM task WHERE worker_id IS NOT NULL AND finished_at IS NULL";

/// How many tasks are in each unfinished state.
const COUNTS: &str = "SELECT state::text, count(*) FROM task
                      WHERE state IN ('waiting', 'running', 'canceling') GROUP BY 1";

/// The names of tasks that live servers may dispatch.
const DISPATCHED: &str =
    "SELECT DISTINCT unnest(tasks) FROM process WHERE kind <> 'worker' AND gone_at IS NULL";

/// Which live workers know each task.
const SKILLS: &str = "SELECT one, array_agg(pulp_id) FROM process, unnest(tasks) AS one
                      WHERE kind = 'worker' AND gone_at IS NULL GROUP BY 1";

/// A worker or resource manager; times are in seconds, by the clock of Postgres.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct Process {
    #[sea_orm(from_alias = "pulp_id")]
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) name: String,
    /// Since its last beat; of one that is gone: between that and its end.
    pub(super) silence: f64,
    /// Since its end.
    pub(super) gone: Option<f64>,
}

/// The row that says who leads.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct LeaderRow {
    pub(super) epoch: i64,
    #[sea_orm(from_alias = "process_id")]
    pub(super) process: Option<Uuid>,
    /// Seconds since its election.
    pub(super) since: f64,
}

/// Workers and resource managers that are alive, and those that ended within the last hour; by name.
pub(super) async fn processes(db: &DatabaseConnection) -> Result<Vec<Process>, DbErr> {
    rows::all(db, db::sql(PROCESSES, [MOST.into()])).await
}

/// Who leads.
pub(super) async fn leader(db: &DatabaseConnection) -> Result<Option<LeaderRow>, DbErr> {
    rows::first(db, db::sql(LEADER, [])).await
}

/// A claimed task that has not ended.
#[derive(Debug, FromQueryResult)]
struct RunningRow {
    worker_id: Uuid,
    pulp_id: Uuid,
    name: String,
    canceling: bool,
    seconds: Option<f64>,
}

/// What runs, by worker.
pub(super) async fn running(db: &DatabaseConnection) -> Result<HashMap<Uuid, RunningTask>, DbErr> {
    let running: Vec<RunningRow> = rows::all(db, db::sql(RUNNING, [])).await?;
    let task = |row: RunningRow| RunningTask {
        id: row.pulp_id,
        name: row.name,
        canceling: row.canceling,
        seconds: row.seconds.unwrap_or_default(),
    };
    Ok(running.into_iter().map(|row| (row.worker_id, task(row))).collect())
}

/// How many tasks are in each unfinished state.
pub(super) async fn counts(db: &DatabaseConnection) -> Result<BTreeMap<String, i64>, DbErr> {
    let unfinished = TaskState::ALL.into_iter().filter(|state| !state.is_final());
    let mut counts: BTreeMap<String, i64> = unfinished.map(|state| (state.as_str().to_owned(), 0)).collect();
    counts.extend(rows::tuples::<(String, i64)>(db, db::sql(COUNTS, [])).await?);
    Ok(counts)
}

/// Which tasks the live servers may dispatch.
pub(super) async fn dispatched(db: &DatabaseConnection) -> Result<HashSet<String>, DbErr> {
    Ok(rows::column(db, db::sql(DISPATCHED, [])).await?.into_iter().collect())
}

/// Which live workers know each task.
pub(super) async fn skills(db: &DatabaseConnection) -> Result<HashMap<String, Vec<Uuid>>, DbErr> {
    let skills: Vec<(String, Vec<Uuid>)> = rows::tuples(db, db::sql(SKILLS, [])).await?;
    Ok(skills.into_iter().collect())
}
