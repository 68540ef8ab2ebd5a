//! Files as content: a path and a digest.

use sea_orm::entity::prelude::*;

/// One row of `file_content`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "file_content")]
pub struct Model {
    /// The row of `content` this completes.
    #[sea_orm(primary_key, auto_increment = false)]
    pub content_id: Uuid,
    /// The domain of the unit.
    pub pulp_domain_id: Uuid,
    /// Where the file is in a repository; no slash at the start.
    pub relative_path: String,
    /// Digest of the bytes, in hexadecimal.
    pub sha256: String,
}

impl ActiveModelBehavior for ActiveModel {}
