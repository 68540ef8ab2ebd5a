//! Chunked uploads that are not committed yet (C04).

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, FromQueryResult};
use serde::{Deserialize, Serialize};

use crate::scope::Visible;
use crate::storage::Storage;
use crate::{Pulp, Result, db};

/// Chunks deleted in one transaction at most.
const BATCH: i64 = 1000;

/// One row of `upload`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "upload")]
pub struct Model {
    /// Identity of the row: a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: DateTimeUtc,
    /// When the row last changed.
    pub pulp_last_updated: DateTimeUtc,
    /// The domain the object belongs to.
    pub pulp_domain_id: Uuid,
    /// Length of the whole in bytes.
    pub size: i64,
}

impl ActiveModelBehavior for ActiveModel {}

#[derive(FromQueryResult)]
struct Unknown {
    file: String,
}

/// Deletes files of chunks that no row knows, as when a process died between the two, and that were written
/// before a time; returns how many.
///
/// # Errors
/// If the database or the store is away.
pub async fn sweep_unknown(pulp: &Pulp, before: DateTime<Utc>) -> Result<u64> {
    let sql = "SELECT file FROM unnest($1::text[]) AS found (file)
               WHERE NOT EXISTS (SELECT FROM upload_chunk WHERE upload_chunk.file = found.file)";
    let found = pulp.storage.written_before(&pulp.settings.chunked_upload_dir, before);
    let mut found = found.try_chunks(BATCH as usize);
    let mut deleted = 0;
    while let Some(files) = found.try_next().await.map_err(|error| error.1)? {
        let unknown = Unknown::find_by_statement(db::sql(sql, [files.into()])).all(&pulp.db).await?;
        for chunk in unknown {
            pulp.storage.delete(&chunk.file).await?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

impl Visible for Entity {
    fn domain() -> Option<Column> {
        Some(Column::PulpDomainId)
    }
}

/// How far the deletion of an upload has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Chunks are deleted; there may be more.
    Goes,
    /// The upload is deleted.
    Gone,
    /// It stays as it is, or is not there any more.
    Stays,
}

/// Takes the next step of deleting an upload, if it was not changed since `unchanged_since`. Each step
/// belongs into a transaction of its own. Files go before their rows: whatever happens in between, none of
/// them is forgotten.
pub async fn delete(
    txn: &DatabaseTransaction,
    storage: &Storage,
    id: Uuid,
    unchanged_since: Option<DateTime<Utc>>,
) -> Result<Deletion> {
    // The lock keeps new chunks out.
    let lock = "SELECT 1 AS one FROM upload WHERE pulp_id = $1 AND ($2::timestamptz IS NULL OR pulp_last_updated < $2) FOR UPDATE";
    if txn.query_one_raw(db::sql(lock, [id.into(), unchanged_since.into()])).await?.is_none() {
        return Ok(Deletion::Stays);
    }
    let chunks = "SELECT pulp_id, file FROM upload_chunk WHERE upload_id = $1 LIMIT $2";
    let mut deleted: Vec<Uuid> = Vec::new();
    for chunk in txn.query_all_raw(db::sql(chunks, [id.into(), BATCH.into()])).await? {
        storage.delete(&chunk.try_get::<String>("", "file")?).await?;
        deleted.push(chunk.try_get("", "pulp_id")?);
    }
    if deleted.is_empty() {
        txn.execute_raw(db::sql("DELETE FROM upload WHERE pulp_id = $1", [id.into()])).await?;
        return Ok(Deletion::Gone);
    }
    let delete = "DELETE FROM upload_chunk WHERE pulp_id = ANY($1)";
    txn.execute_raw(db::sql(delete, [deleted.into()])).await?;
    Ok(Deletion::Goes)
}
