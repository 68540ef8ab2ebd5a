//! Files of a publication that the publishing made.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One row of `published_metadata`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "published_metadata")]
pub struct Model {
    /// Identity of the row: a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// The publication.
    pub publication_id: Uuid,
    /// The bytes.
    pub artifact_id: Uuid,
    /// Path it is served under.
    pub relative_path: String,
}

impl ActiveModelBehavior for ActiveModel {}
