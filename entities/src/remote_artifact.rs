//! Where the bytes of a file can be fetched.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::checksum::Expected;
use crate::scope::Part;

/// One row of `remote_artifact`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "remote_artifact")]
pub struct Model {
    /// Identity of the row: a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: DateTimeUtc,
    /// The file this is a source of.
    pub content_artifact_id: Uuid,
    /// Where the source was seen.
    pub remote_id: Uuid,
    /// Address of the bytes.
    pub url: String,
    /// Length in bytes, if known.
    pub size: Option<i64>,
    /// Hexadecimal digest, if known.
    pub md5: Option<String>,
    /// Hexadecimal digest, if known.
    pub sha1: Option<String>,
    /// Hexadecimal digest, if known.
    pub sha224: Option<String>,
    /// Hexadecimal digest, if known.
    pub sha256: Option<String>,
    /// Hexadecimal digest, if known.
    pub sha384: Option<String>,
    /// Hexadecimal digest, if known.
    pub sha512: Option<String>,
    /// When a download from here last gave wrong bytes (A16).
    pub failed_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// What its bytes have to be.
    pub fn expected(&self) -> Expected {
        let digests = [&self.md5, &self.sha1, &self.sha224, &self.sha256, &self.sha384, &self.sha512];
        Expected {
            size: self.size.and_then(|size| size.try_into().ok()),
            digests: digests.map(Clone::clone).into(),
        }
    }
}

impl Part for Entity {
    fn whole() -> Column {
        Column::ContentArtifactId
    }
}
