//! Repositories: a name for a series of versions.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::scope::Visible;

/// One row of `repository`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "repository")]
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
    /// For people.
    pub description: Option<String>,
    /// The number the next version gets.
    pub next_version: i32,
    /// How many versions are kept; null keeps all (C16).
    pub retain_repo_versions: Option<i32>,
    /// How many checkpoints are kept; null keeps all (C17).
    pub retain_checkpoints: Option<i32>,
    /// Whether lists leave the repository out.
    pub user_hidden: bool,
    /// The remote that a sync without one uses.
    pub remote_id: Option<Uuid>,
    /// What the last sync did, as the plugin describes it.
    #[sea_orm(column_type = "JsonBinary")]
    pub last_sync_details: Json,
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
