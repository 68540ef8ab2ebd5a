//! Removes what a task has left half made: versions and publications that are not complete.
//!
//! Nobody sees them, so this is housekeeping; it goes in steps that hold no lock for long.

use entities::{Result, db};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use uuid::Uuid;

/// Memberships removed in one transaction at most.
const BATCH: i64 = 5000;

/// Whose remains.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    /// Those of one task. It must not be running any more.
    Task(Uuid),
    /// Those of every task that is final, or whose row is gone.
    EndedTasks,
}

/// Removes incomplete publications and versions.
pub async fn incomplete(db: &DatabaseConnection, of: Of) -> Result<()> {
    for id in owned(db, "publication", of).await? {
        let sql = "DELETE FROM publication WHERE pulp_id = $1 AND NOT complete";
        db.execute_raw(db::sql(sql, [id.into()])).await?;
    }
    for id in owned(db, "repository_version", of).await? {
        version(db, id).await?;
    }
    Ok(())
}

async fn owned(db: &DatabaseConnection, table: &str, of: Of) -> Result<Vec<Uuid>> {
    let statement = match of {
        Of::Task(task) => db::sql(
            &format!("SELECT pulp_id FROM {table} WHERE task_id = $1 AND NOT complete"),
            [task.into()],
        ),
        Of::EndedTasks => db::sql(
            &format!(
                "SELECT pulp_id FROM {table} WHERE task_id IS NOT NULL AND NOT complete
                   AND NOT EXISTS (SELECT 1 FROM task WHERE task.pulp_id = {table}.task_id
                                   AND state IN ('waiting', 'running', 'canceling')) LIMIT 100"
            ),
            [],
        ),
    };
    let rows = db.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok(row.try_get("", "pulp_id")?)).collect()
}

/// Removes one version: what it added, what it removed, and at last its row.
async fn version(db: &DatabaseConnection, id: Uuid) -> Result<()> {
    let added = "DELETE FROM repository_content WHERE ctid = ANY (ARRAY(
                     SELECT member.ctid FROM repository_content AS member
                     JOIN repository_version AS version ON version.repository_id = member.repository_id
                     WHERE version.pulp_id = $1 AND NOT version.complete
                       AND member.version_added = version.number LIMIT $2))";
    let removed = "UPDATE repository_content SET version_removed = NULL WHERE ctid = ANY (ARRAY(
                       SELECT member.ctid FROM repository_content AS member
                       JOIN repository_version AS version ON version.repository_id = member.repository_id
                       WHERE version.pulp_id = $1 AND NOT version.complete
                         AND member.version_removed = version.number LIMIT $2))";
    loop {
        let txn = db::begin(db).await?;
        // The row is locked first, so that nobody takes the number for a new version meanwhile.
        let sql = "SELECT 1 AS one FROM repository_version WHERE pulp_id = $1 AND NOT complete FOR UPDATE";
        if txn.query_one_raw(db::sql(sql, [id.into()])).await?.is_none() {
            return Ok(());
        }
        let mut changed = 0;
        for sql in [added, removed] {
            changed += txn.execute_raw(db::sql(sql, [id.into(), BATCH.into()])).await?.rows_affected();
        }
        if changed == 0 {
            let sql = "DELETE FROM repository_version WHERE pulp_id = $1 AND NOT complete";
            txn.execute_raw(db::sql(sql, [id.into()])).await?;
            txn.commit().await?;
            return Ok(());
        }
        txn.commit().await?;
    }
}
