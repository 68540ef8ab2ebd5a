//! Membership of content in versions, as intervals of version numbers.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One row of `repository_content`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "repository_content")]
pub struct Model {
    /// The repository.
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository_id: Uuid,
    /// The unit.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_id: Uuid,
    /// First version that has the unit.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version_added: i32,
    /// First later version that does not have it.
    pub version_removed: Option<i32>,
}

impl ActiveModelBehavior for ActiveModel {}
