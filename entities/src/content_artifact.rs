//! The files of a content unit.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::scope::Part;

/// One row of `content_artifact`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "content_artifact")]
pub struct Model {
    /// Identity of the row: a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// The unit.
    pub content_id: Uuid,
    /// The bytes, once they are stored.
    pub artifact_id: Option<Uuid>,
    /// Path within the unit.
    pub relative_path: String,
}

impl ActiveModelBehavior for ActiveModel {}

impl Part for Entity {
    fn whole() -> Column {
        Column::ContentId
    }
}
