//! Content: what a unit is, which table has its columns, and what a repository takes.

use plugin::SqlMigration;
use plugin::tasking::{Content, ContentType, RepositoryType};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A note. The fields are the columns of its table, and what the API shows of it beside its artifacts.
#[derive(Debug, Serialize, Deserialize, FromQueryResult, ToSchema)]
pub struct Note {
    pub name: String,
    /// SHA-256 of the text.
    pub sha256: String,
}

impl Content for Note {
    /// The columns are the natural key: the same name and text are one unit, wherever they come from.
    const TYPE: ContentType = ContentType::new(&crate::NOTE, "note", &["name", "sha256"]);
}

/// A step of the schema; once released, it stays as it is. Every type of content has the first two columns
/// and a unique natural key.
pub const TABLE: SqlMigration = SqlMigration {
    name: "note_m0001",
    sql: "CREATE TABLE note (
              content_id uuid PRIMARY KEY REFERENCES content ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
              pulp_domain_id uuid NOT NULL REFERENCES domain,
              name text NOT NULL,
              sha256 text NOT NULL,
              UNIQUE (pulp_domain_id, name, sha256))",
};

/// In a version of a repository a name is unique: a new note takes the place of the one before.
pub fn repositories() -> RepositoryType {
    RepositoryType::new(&crate::REPOSITORY).takes(Note::TYPE).unique(Note::TYPE, &["name"])
}

/// Refuses what cannot be a name. Names become paths and parts of URLs, so each is checked where it comes in.
pub fn check_name(name: &str) -> anyhow::Result<()> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let is_name = (1..=200).contains(&name.len()) && name.chars().all(is_plain);
    anyhow::ensure!(is_name, "the name {name:?} is not 1 to 200 letters, digits, '-' and '_'");
    Ok(())
}

/// The paths of the two artifacts of a note: text and signature.
pub fn paths(name: &str) -> [String; 2] {
    [format!("{name}.txt"), format!("{name}.txt.sig")]
}
