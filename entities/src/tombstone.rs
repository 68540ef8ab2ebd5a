//! Tombstones of artifacts: the one place where a final file is deleted.
//!
//! A file outlives its row for a while, because a worker that is slow to notice its end may still count on
//! it. Whoever makes an artifact holds the digest's lock shared, moves the bytes and deletes the tombstone;
//! so under the exclusive lock a tombstone without a row means that nobody wants the file.

use chrono::{DateTime, Duration, Utc};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::{Pulp, Result, artifact, db};

/// Files deleted by one call at most.
const BATCH: i64 = 10_000;

/// Deletes the files of tombstones older than `age`, and answers how many.
pub async fn collect(pulp: &Pulp, age: Duration) -> Result<u64> {
    let before: DateTime<Utc> = Utc::now() - age;
    let sql = "SELECT pulp_domain_id, sha256 FROM artifact_tombstone WHERE pulp_created < $1
               ORDER BY pulp_created LIMIT $2";
    let rows = pulp.db.query_all_raw(db::sql(sql, [before.into(), BATCH.into()])).await?;
    let mut deleted = 0;
    for row in rows {
        deleted +=
            u64::from(bury(pulp, row.try_get("", "pulp_domain_id")?, row.try_get("", "sha256")?).await?);
    }
    Ok(deleted)
}

async fn bury(pulp: &Pulp, domain: Uuid, sha256: String) -> Result<bool> {
    let txn = db::begin(&pulp.db).await?;
    let Some(bucket) = artifact::bucket(&sha256) else {
        return Ok(false);
    };
    let lock = "SELECT pg_advisory_xact_lock($1, $2)";
    txn.execute_raw(db::sql(lock, [db::lock::ARTIFACT.into(), bucket.into()])).await?;
    let sql = "DELETE FROM artifact_tombstone AS gone WHERE pulp_domain_id = $1 AND sha256 = $2
               RETURNING file, EXISTS (SELECT FROM artifact WHERE artifact.pulp_domain_id = gone.pulp_domain_id
                                       AND artifact.sha256 = gone.sha256) AS wanted";
    let row = txn.query_one_raw(db::sql(sql, [domain.into(), sha256.into()])).await?;
    let file: Option<String> = match row {
        Some(row) if !row.try_get::<bool>("", "wanted")? => Some(row.try_get("", "file")?),
        _ => None,
    };
    if let Some(file) = &file {
        pulp.storage.delete(file).await?;
    }
    txn.commit().await?;
    Ok(file.is_some())
}
