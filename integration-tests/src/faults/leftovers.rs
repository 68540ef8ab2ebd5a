//! What may be left when everything has stopped in order: nothing.

use sqlx::{Connection, Row};

use super::system::{LEASE, System};
use super::{Style, redis};

/// Locks, lists, the lease and processes that are still there.
pub async fn find(system: &System) -> Vec<String> {
    let mut found = Vec::new();
    let socket = system.servers.redis_socket();
    let keys = redis::command(&socket, &["KEYS", "pulp*"]).await.unwrap().texts();
    for key in
        keys.iter().filter(|key| *key == LEASE || key.contains(":processing") || key.contains("worker-"))
    {
        found.push(format!("{key} is left in Redis"));
    }
    let mut database = system.servers.database().await;
    let sql = "SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory'
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let locks: i64 = sqlx::query(sql).fetch_one(&mut database).await.unwrap().get("locks");
    if locks > 0 {
        found.push(format!("{locks} advisory locks are held"));
    }
    let sql = "SELECT kind || ' ' || name FROM process WHERE gone_at IS NULL";
    let alive: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut database).await.unwrap();
    found.extend(alive.iter().map(|process| format!("{process} has ended and counts as alive")));
    let sql = "SELECT pulp_id::text FROM task WHERE state IN ('running', 'canceling')";
    let running: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut database).await.unwrap();
    found.extend(running.iter().map(|task| format!("{task} runs without a runner")));
    for table in ["task_change", "task_admitted", "task_lock", "idle_worker"] {
        if system.style == Style::Postgres {
            let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
            let rows: i64 = sqlx::query_scalar(sql).fetch_one(&mut database).await.unwrap();
            if rows > 0 {
                found.push(format!("{rows} rows are left in {table}"));
            }
        }
    }
    let _ = database.close().await;
    found
}
