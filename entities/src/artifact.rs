//! Artifacts: bytes stored once per domain, by SHA-256.

mod save;

use std::collections::HashMap;

use sea_orm::FromQueryResult;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

pub use save::{Kept, keep, save};

use crate::checksum::Digests;
use crate::scope::{Id, Visible};
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

/// Deletes the row and leaves a tombstone; the file goes when no process can be reading or writing it any
/// more.
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
