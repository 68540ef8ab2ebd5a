//! Domains: tenants with their own names and storage.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::scope::Visible;

/// One row of `domain`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "domain")]
pub struct Model {
    /// Identity of the row: a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: DateTimeUtc,
    /// When the row last changed.
    pub pulp_last_updated: DateTimeUtc,
    /// Unique name.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// The user's labels, a map of strings (R20).
    #[sea_orm(column_type = "JsonBinary")]
    pub pulp_labels: Json,
    /// Pulp's name of the storage back end.
    pub storage_class: String,
    /// Settings of the back end.
    #[sea_orm(column_type = "JsonBinary")]
    pub storage_settings: Json,
    /// Whether content is served by redirecting to object storage.
    pub redirect_to_object_storage: bool,
    /// Whether listings leave guarded distributions out.
    pub hide_guarded_distributions: bool,
}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn domain() -> Option<Column> {
        None
    }
}

/// The domain that every installation has.
pub const DEFAULT: Uuid = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001);
