//! Distributions: what is served under which path.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::scope::Visible;
use crate::{Result, db};

/// One row of `distribution`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "distribution")]
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
    /// Which plugin and type, such as `file.file`.
    pub pulp_type: String,
    /// The user's labels, a map of strings (R20).
    #[sea_orm(column_type = "JsonBinary")]
    pub pulp_labels: Json,
    /// Name, unique in the domain.
    pub name: String,
    /// Path below the content prefix, without slashes at its ends (C26).
    pub base_path: String,
    /// Whether listings leave it out.
    pub hidden: bool,
    /// Whether it serves checkpoints (A30).
    pub checkpoint: bool,
    /// Serves the newest publication or version of this.
    pub repository_id: Option<Uuid>,
    /// Serves this.
    pub repository_version_id: Option<Uuid>,
    /// Serves this.
    pub publication_id: Option<Uuid>,
    /// Fetches what is missing from here (A21).
    pub remote_id: Option<Uuid>,
    /// What is special to the type; the plugin reads it into its own struct.
    #[sea_orm(column_type = "JsonBinary")]
    pub details: Json,
}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn domain() -> Option<Column> {
        Some(Column::PulpDomainId)
    }
}

/// The name of a distribution whose base path equals, contains or lies within `base_path` (C26), other than
/// `except`.
pub async fn overlapping(
    connection: &impl ConnectionTrait,
    domain: Uuid,
    base_path: &str,
    except: Option<Uuid>,
) -> Result<Option<String>> {
    let ancestors: Vec<String> = base_path
        .match_indices('/')
        .map(|(slash, _)| base_path[..slash].to_owned())
        .chain([base_path.to_owned()])
        .collect();
    let sql = "SELECT name FROM distribution
               WHERE pulp_domain_id = $1 AND pulp_id IS DISTINCT FROM $4
                 AND (base_path = ANY($2) OR starts_with(base_path, $3 || '/'))
               ORDER BY name LIMIT 1";
    let values = [domain.into(), ancestors.into(), base_path.into(), except.into()];
    let row = connection.query_one_raw(db::sql(sql, values)).await?;
    Ok(row.map(|row| row.try_get("", "name")).transpose()?)
}
