//! Processes of Pulp: API, content, workers, resource manager.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::scope::Visible;

/// One row of `process`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "process")]
pub struct Model {
    /// Drawn by the process at its start.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: DateTimeUtc,
    /// When the row last changed.
    pub pulp_last_updated: DateTimeUtc,
    /// `api`, `content`, `worker` or `resource-manager`.
    pub kind: String,
    /// Label, usually `<pid>@<host>`.
    pub name: String,
    /// Component versions, a map of strings.
    #[sea_orm(column_type = "JsonBinary")]
    pub versions: Json,
    /// When it stopped or was given up; it never comes back.
    pub gone_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn domain() -> Option<Column> {
        None
    }
}
