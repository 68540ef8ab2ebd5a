//! Artifacts: bytes stored once per domain, by SHA-256.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::{StreamExt, TryStreamExt, stream};
use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, FromQueryResult};
use serde::{Deserialize, Serialize};

use crate::checksum::{Algorithm, Digests};
use crate::scope::{Id, Visible};
use crate::storage::{Staged, Storage};
use crate::{Result, db};

/// One row of `artifact`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "artifact")]
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
    /// Orphan cleanup leaves the row alone until this is old enough.
    pub timestamp_of_interest: DateTimeUtc,
    /// Storage path, `artifact/<2 hex>/<62 hex>`.
    pub file: String,
    /// Length in bytes.
    pub size: i64,
    /// Hexadecimal digest, if allowed.
    pub md5: Option<String>,
    /// Hexadecimal digest, if allowed.
    pub sha1: Option<String>,
    /// Hexadecimal digest, if allowed.
    pub sha224: Option<String>,
    /// Hexadecimal digest; the identity of the bytes.
    pub sha256: String,
    /// Hexadecimal digest, if allowed.
    pub sha384: Option<String>,
    /// Hexadecimal digest, if allowed.
    pub sha512: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

/// Deletes the row and leaves a tombstone; the file goes when no process can be reading or writing it any more.
const BURY: &str = "
    WITH gone AS (DELETE FROM artifact WHERE pulp_id = $1 RETURNING pulp_domain_id, sha256, file)
    INSERT INTO artifact_tombstone (pulp_domain_id, sha256, file) SELECT * FROM gone
    ON CONFLICT (pulp_domain_id, sha256) DO UPDATE SET pulp_created = clock_timestamp()";

/// Deletes an artifact, unless it is gone already.
///
/// # Errors
/// [`crate::Error::Conflict`] if something refers to it.
pub async fn bury(connection: &impl ConnectionTrait, artifact: Id<Entity>) -> Result<()> {
    connection.execute_raw(db::sql(BURY, [artifact.key().into()])).await?;
    Ok(())
}

impl Visible for Entity {
    fn domain() -> Option<Column> {
        Some(Column::PulpDomainId)
    }
}

impl Model {
    /// All digests that are known.
    pub fn digests(&self) -> Digests {
        let sha256 = Some(self.sha256.clone());
        let [md5, sha1, sha224] = [&self.md5, &self.sha1, &self.sha224].map(Clone::clone);
        [md5, sha1, sha224, sha256, self.sha384.clone(), self.sha512.clone()].into()
    }
}

/// Files that get their final name at the same time.
const SIMULTANEOUS: usize = 16;

/// Stores staged bytes as artifacts of a domain, in the caller's transaction, and answers the rows in order.
/// Bytes that are there already are not stored again.
///
/// The lock keeps the collector from deleting a file between its move and the commit. A tombstone means that the
/// file may be gone: its bytes are written again and the tombstone goes. Give at most a few hundred at a time: the
/// transaction holds its locks meanwhile.
pub async fn save(
    txn: &DatabaseTransaction,
    storage: &Storage,
    domain: Uuid,
    staged: &[Staged],
) -> Result<Vec<Model>> {
    let unique: BTreeMap<&str, &Staged> = staged.iter().map(|staged| (staged.sha256(), staged)).collect();
    let digests: Vec<String> = unique.keys().map(|digest| (*digest).to_owned()).collect();
    let buckets: BTreeSet<i32> = unique.keys().filter_map(|digest| bucket(digest)).collect();
    db::lock_shared(txn, db::lock::ARTIFACT, buckets.into_iter().collect()).await?;

    let mut rows = touch(txn, domain, &digests).await?;
    let missing: Vec<&Staged> =
        unique.iter().filter(|(digest, _)| !rows.contains_key(**digest)).map(|(_, staged)| *staged).collect();
    let moves: Vec<_> = missing.iter().map(|staged| storage.keep_artifact(staged)).collect();
    stream::iter(moves).buffer_unordered(SIMULTANEOUS).try_collect::<()>().await?;
    insert(txn, domain, &missing).await?;
    Entity::delete_tombstones(txn, domain, &digests).await?;

    let absent: Vec<String> = digests.into_iter().filter(|digest| !rows.contains_key(digest)).collect();
    rows.extend(find_by_sha256(txn, domain, &absent).await?);
    staged
        .iter()
        .map(|staged| {
            rows.get(staged.sha256())
                .cloned()
                .ok_or_else(|| crate::Error::not_found("artifact", staged.sha256()))
        })
        .collect()
}

/// The artifacts with these digests, by digest.
pub async fn find_by_sha256(
    txn: &impl ConnectionTrait,
    domain: Uuid,
    digests: &[String],
) -> Result<HashMap<String, Model>> {
    let rows = Entity::find()
        .filter(Column::PulpDomainId.eq(domain))
        .filter(Column::Sha256.eq_any(digests.to_vec()))
        .all(txn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.sha256.clone(), row)).collect())
}

/// Which of the 256 locks of [`db::lock::ARTIFACT`] guards a digest.
pub fn bucket(sha256: &str) -> Option<i32> {
    i32::from_str_radix(sha256.get(..2)?, 16).ok()
}

/// The artifacts with these digests, protected against orphan cleanup from now on.
pub async fn touch(
    txn: &impl ConnectionTrait,
    domain: Uuid,
    digests: &[String],
) -> Result<HashMap<String, Model>> {
    let sql = "WITH locked AS MATERIALIZED (
                   SELECT pulp_id FROM artifact WHERE pulp_domain_id = $1 AND sha256 = ANY($2)
                   ORDER BY pulp_id FOR UPDATE)
               UPDATE artifact SET timestamp_of_interest = clock_timestamp() FROM locked
               WHERE artifact.pulp_id = locked.pulp_id RETURNING artifact.*";
    let rows = txn.query_all_raw(db::sql(sql, [domain.into(), digests.to_vec().into()])).await?;
    rows.iter()
        .map(|row| {
            let row = Model::from_query_result(row, "")?;
            Ok((row.sha256.clone(), row))
        })
        .collect()
}

async fn insert(txn: &DatabaseTransaction, domain: Uuid, staged: &[&Staged]) -> Result<()> {
    // An array of the driver holds no nulls: a digest that is not known is the empty string on its way.
    let column = |algorithm| -> sea_orm::Value {
        let digest = |staged: &&Staged| staged.digests.get(algorithm).unwrap_or_default().to_owned();
        staged.iter().map(digest).collect::<Vec<_>>().into()
    };
    if staged.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO artifact
                   (pulp_id, pulp_domain_id, file, size, md5, sha1, sha224, sha256, sha384, sha512)
               SELECT id, $1, 'artifact/' || left(sha256, 2) || '/' || substr(sha256, 3),
                      size, nullif(md5, ''), nullif(sha1, ''), nullif(sha224, ''), sha256, nullif(sha384, ''),
                      nullif(sha512, '')
               FROM unnest($2::uuid[], $3::int8[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                           $9::text[])
                   AS new (id, size, md5, sha1, sha224, sha256, sha384, sha512)
               ON CONFLICT (pulp_domain_id, sha256) DO UPDATE SET timestamp_of_interest = clock_timestamp()";
    let [md5, sha1, sha224, sha256, sha384, sha512] = Algorithm::ALL.map(column);
    let values = [
        domain.into(),
        staged.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>().into(),
        staged.iter().map(|staged| staged.size as i64).collect::<Vec<_>>().into(),
        md5,
        sha1,
        sha224,
        sha256,
        sha384,
        sha512,
    ];
    txn.execute_raw(db::sql(sql, values)).await?;
    Ok(())
}

impl Entity {
    async fn delete_tombstones(txn: &DatabaseTransaction, domain: Uuid, digests: &[String]) -> Result<()> {
        let sql = "DELETE FROM artifact_tombstone WHERE pulp_domain_id = $1 AND sha256 = ANY($2)";
        let values = [domain.into(), digests.to_vec().into()];
        txn.execute_raw(db::sql(sql, values)).await?;
        Ok(())
    }
}
