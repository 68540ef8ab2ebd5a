//! Files as content: a path and a digest (C06).

use sea_orm::FromQueryResult;
use serde::Serialize;
use tasking::{Content, ContentType};

use crate::kinds;

/// What is special to a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromQueryResult)]
pub struct FileContent {
    /// Where the file is in a repository; no slash at the start.
    pub relative_path: String,
    /// Digest of the bytes, in hexadecimal.
    pub sha256: String,
}

impl Content for FileContent {
    const TYPE: ContentType = ContentType::new(&kinds::CONTENT, "file_content", &["relative_path", "sha256"]);
}
