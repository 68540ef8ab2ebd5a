//! What a sync remembers for the next one: whether anything can have changed since.

use entities::{db, remote, repository};
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{TaskContext, version};

const REMEMBER: &str = "UPDATE repository SET last_sync_details = $2 WHERE pulp_id = $1";

/// The column `last_sync_details` of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SyncDetails {
    remote_pk: Uuid,
    url: String,
    download_policy: String,
    mirror: bool,
    /// The number the next version would get: any change of the repository since makes it differ.
    next_version: i32,
    /// What the plugin has seen of the upstream, such as the digest of its metadata.
    #[serde(flatten)]
    fingerprint: Map<String, Value>,
}

impl SyncDetails {
    pub(super) fn new(remote: &remote::Model, mirror: bool, fingerprint: Map<String, Value>) -> SyncDetails {
        SyncDetails {
            remote_pk: remote.pulp_id,
            url: remote.url.clone(),
            download_policy: remote.policy.clone(),
            mirror,
            next_version: 0,
            fingerprint,
        }
    }

    /// Whether the last sync of the repository saw the same, and nothing has changed in it since.
    pub(super) fn are_of(self, repository: &repository::Model) -> bool {
        let last = serde_json::from_value::<SyncDetails>(repository.last_sync_details.clone());
        let now = SyncDetails { next_version: repository.next_version, ..self };
        last.is_ok_and(|last| last == now)
    }

    /// Writes down what this sync saw.
    pub(super) async fn remember(self, cx: &TaskContext, repository: Uuid) -> anyhow::Result<()> {
        let next_version = version::repository(cx, repository).await?.next_version;
        let details = serde_json::to_value(SyncDetails { next_version, ..self })?;
        let txn = cx.begin().await?;
        txn.execute_raw(db::sql(REMEMBER, [repository.into(), details.into()])).await?;
        txn.commit().await
    }
}
