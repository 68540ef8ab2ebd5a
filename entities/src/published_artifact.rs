//! Files of a publication that come from content.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One row of `published_artifact`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "published_artifact")]
pub struct Model {
    /// Identity of the row: a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// The publication.
    pub publication_id: Uuid,
    /// The file.
    pub content_artifact_id: Uuid,
    /// Path it is served under.
    pub relative_path: String,
}

impl ActiveModelBehavior for ActiveModel {}
