//! Publications: a version made ready to be served.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::scope::Visible;

/// One row of `publication`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "publication")]
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
    /// What is published.
    pub repository_version_id: Uuid,
    /// Only complete publications are visible.
    pub complete: bool,
    /// The task that is making it, until it is complete.
    pub task_id: Option<Uuid>,
    /// Whether content of the version is served under its own paths.
    pub pass_through: bool,
    /// Whether it is a checkpoint (A30).
    pub checkpoint: bool,
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
