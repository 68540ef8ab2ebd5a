//! The index of an upstream, and of a publication: a line of JSON for each note.

use plugin::tasking::units::StoredUnit;
use serde::{Deserialize, Serialize};

use crate::note::{Note, check_name};

/// A line of the index.
#[derive(Debug, Serialize, Deserialize)]
pub struct Entry {
    #[serde(flatten)]
    pub note: Note,
    /// SHA-256 of the signature, if there is one.
    pub signature: Option<String>,
}

impl Entry {
    /// Reads a line.
    pub fn parse(line: &str) -> anyhow::Result<Option<Entry>> {
        let entry: Entry = serde_json::from_str(line)?;
        check_name(&entry.note.name)?;
        Ok(Some(entry))
    }

    /// Writes the line of a note that is in a repository. Its artifacts are in the order of their paths.
    pub fn line(unit: StoredUnit<Note>) -> anyhow::Result<String> {
        let signature = unit.artifacts.into_iter().nth(1).and_then(|artifact| artifact.sha256);
        Ok(serde_json::to_string(&Entry { note: unit.content, signature })? + "\n")
    }
}
