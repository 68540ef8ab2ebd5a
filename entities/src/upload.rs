//! Chunked uploads that are not committed yet (C04).

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One row of `upload`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "upload")]
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
    /// Length of the whole in bytes.
    pub size: i64,
}

impl ActiveModelBehavior for ActiveModel {}
