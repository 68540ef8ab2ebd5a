//! Workers, the leader and the numbers of tasks, as Postgres has them.

use std::collections::{BTreeMap, HashMap, HashSet};

use entities::db;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use uuid::Uuid;

use super::overview::RunningTask;

/// Processes listed at most.
const MOST: i64 = 10_000;

/// A worker or resource manager; times are in seconds, by the clock of Postgres.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) name: String,
    /// Since its last beat; of one that is gone: between that and its end.
    pub(super) silence: f64,
    /// Since its end.
    pub(super) gone: Option<f64>,
}

/// The row that says who leads.
#[derive(Clone, Debug)]
pub(super) struct Leader {
    pub(super) epoch: i64,
    pub(super) process: Option<Uuid>,
    /// Seconds since its election.
    pub(super) since: f64,
}

/// Workers and resource managers that are alive, and those that ended within the last hour; by name.
pub(super) async fn processes(db: &DatabaseConnection) -> Result<Vec<Process>, DbErr> {
    let sql = "SELECT pulp_id, kind, name,
                      extract(epoch FROM coalesce(gone_at, clock_timestamp()) - last_heartbeat)::float8 AS silence,
                      extract(epoch FROM clock_timestamp() - gone_at)::float8 AS gone
               FROM process JOIN process_beat ON process_id = pulp_id
               WHERE kind IN ('worker', 'resource-manager')
                 AND (gone_at IS NULL OR gone_at > now() - interval '1 hour')
               ORDER BY gone_at IS NOT NULL, kind, name LIMIT $1";
    let rows = db.query_all_raw(db::sql(sql, [MOST.into()])).await?;
    rows.iter()
        .map(|row| {
            Ok(Process {
                id: row.try_get("", "pulp_id")?,
                kind: row.try_get("", "kind")?,
                name: row.try_get("", "name")?,
                silence: row.try_get("", "silence")?,
                gone: row.try_get("", "gone")?,
            })
        })
        .collect()
}

/// Who leads.
pub(super) async fn leader(db: &DatabaseConnection) -> Result<Option<Leader>, DbErr> {
    let sql = "SELECT epoch, process_id, extract(epoch FROM clock_timestamp() - since)::float8 AS since FROM leader";
    let row = db.query_one_raw(db::sql(sql, [])).await?;
    row.map(|row| {
        Ok(Leader {
            epoch: row.try_get("", "epoch")?,
            process: row.try_get("", "process_id")?,
            since: row.try_get("", "since")?,
        })
    })
    .transpose()
}

/// What runs, by worker.
pub(super) async fn running(db: &DatabaseConnection) -> Result<HashMap<Uuid, RunningTask>, DbErr> {
    let sql = "SELECT worker_id, pulp_id, name, state = 'canceling' AS canceling,
                      extract(epoch FROM clock_timestamp() - started_at)::float8 AS seconds
               FROM task WHERE worker_id IS NOT NULL AND finished_at IS NULL";
    let rows = db.query_all_raw(db::sql(sql, [])).await?;
    rows.iter()
        .map(|row| {
            let task = RunningTask {
                id: row.try_get("", "pulp_id")?,
                name: row.try_get("", "name")?,
                canceling: row.try_get("", "canceling")?,
                seconds: row.try_get::<Option<f64>>("", "seconds")?.unwrap_or_default(),
            };
            Ok((row.try_get("", "worker_id")?, task))
        })
        .collect()
}

/// How many tasks are in each unfinished state.
pub(super) async fn counts(db: &DatabaseConnection) -> Result<BTreeMap<String, i64>, DbErr> {
    let sql = "SELECT state::text AS state, count(*) AS number FROM task
               WHERE state IN ('waiting', 'running', 'canceling') GROUP BY 1";
    let mut counts: BTreeMap<String, i64> =
        ["waiting", "running", "canceling"].map(|state| (state.to_owned(), 0)).into();
    for row in db.query_all_raw(db::sql(sql, [])).await? {
        counts.insert(row.try_get("", "state")?, row.try_get("", "number")?);
    }
    Ok(counts)
}

/// Which tasks the live servers may dispatch.
pub(super) async fn dispatched(db: &DatabaseConnection) -> Result<HashSet<String>, DbErr> {
    let sql = "SELECT DISTINCT unnest(tasks) AS name FROM process WHERE kind <> 'worker' AND gone_at IS NULL";
    db.query_all_raw(db::sql(sql, [])).await?.iter().map(|row| row.try_get("", "name")).collect()
}

/// Which live workers know each task.
pub(super) async fn skills(db: &DatabaseConnection) -> Result<HashMap<String, Vec<Uuid>>, DbErr> {
    let sql = "SELECT one AS name, array_agg(pulp_id) AS workers FROM process, unnest(tasks) AS one
               WHERE kind = 'worker' AND gone_at IS NULL GROUP BY 1";
    let rows = db.query_all_raw(db::sql(sql, [])).await?;
    rows.iter().map(|row| Ok((row.try_get("", "name")?, row.try_get("", "workers")?))).collect()
}
