//! Chunks of an upload.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::scope::Part;

/// One row of `upload_chunk`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "upload_chunk")]
pub struct Model {
    /// Identity of the row: a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// The upload.
    pub upload_id: Uuid,
    /// Position of the first byte.
    pub offset: i64,
    /// Length in bytes.
    pub size: i64,
    /// Storage path.
    pub file: String,
}

impl ActiveModelBehavior for ActiveModel {}

impl Part for Entity {
    fn whole() -> Column {
        Column::UploadId
    }
}
