//! What a sync remembers for the next one: whether the remote has changed since, and which rows it may sweep.

use ::entities::storage::Staged;
use ::entities::{db, remote};
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use tasking::TaskContext;
use tasking::tasks::repository::find;
use uuid::Uuid;

/// The column `last_sync_details` of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SyncDetails {
    remote_pk: Uuid,
    url: String,
    download_policy: String,
    mirror: bool,
    manifest_checksum: String,
    /// The number the next version would get: a change by anybody else since makes it differ.
    next_version: i32,
}

impl SyncDetails {
    pub(super) fn new(remote: &remote::Model, manifest: &Staged, mirror: bool) -> SyncDetails {
        SyncDetails {
            remote_pk: remote.pulp_id,
            url: remote.url.clone(),
            download_policy: remote.policy.clone(),
            mirror,
            manifest_checksum: manifest.sha256().to_owned(),
            next_version: 0,
        }
    }
}

/// Whether the last sync saw the same, and nothing has changed in the repository since.
pub(super) async fn is_unchanged(
    cx: &TaskContext,
    repository: Uuid,
    details: &SyncDetails,
) -> anyhow::Result<bool> {
    let repository = find(cx, repository).await?;
    let Ok(last) = serde_json::from_value::<SyncDetails>(repository.last_sync_details) else {
        return Ok(false);
    };
    Ok(last == SyncDetails { next_version: repository.next_version, ..details.clone() })
}

/// Writes down what this sync saw.
pub(super) async fn remember(cx: &TaskContext, repository: Uuid, details: SyncDetails) -> anyhow::Result<()> {
    let next_version = find(cx, repository).await?.next_version;
    let details = serde_json::to_value(SyncDetails { next_version, ..details })?;
    let txn = cx.begin().await?;
    let sql = "UPDATE repository SET last_sync_details = $2 WHERE pulp_id = $1";
    txn.execute_raw(db::sql(sql, [repository.into(), details.into()])).await?;
    txn.commit().await
}

/// Deletes the entries of syncs that are no longer running.
pub(super) async fn forget_entries(cx: &TaskContext) -> anyhow::Result<()> {
    let sql = "DELETE FROM file_sync_entry AS entry
               WHERE NOT EXISTS (SELECT FROM task WHERE pulp_id = entry.task_id AND finished_at IS NULL)";
    cx.pulp().db.execute_raw(db::sql(sql, [])).await?;
    Ok(())
}

/// Deletes the entries of one sync.
pub(super) async fn forget_entries_of(cx: &TaskContext, task: Uuid) -> anyhow::Result<()> {
    let sql = "DELETE FROM file_sync_entry WHERE task_id = $1";
    cx.pulp().db.execute_raw(db::sql(sql, [task.into()])).await?;
    Ok(())
}
