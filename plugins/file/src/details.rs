//! What is special to file repositories and publications: their `details` columns.

use ::entities::{Result, publication, repository, row};
use serde::{Deserialize, Serialize};

/// The name of the manifest where no other was chosen (C22).
pub const MANIFEST: &str = "PULP_MANIFEST";

/// Details of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RepositoryDetails {
    /// Whether every new version is published (C23).
    pub autopublish: bool,
    /// The name of the manifest of those publications; null for none.
    pub manifest: Option<String>,
}

impl RepositoryDetails {
    /// Those of a repository.
    ///
    /// # Errors
    /// If they are none of a file repository.
    pub fn of(repository: &repository::Model) -> Result<RepositoryDetails> {
        row::details(&repository.details)
    }
}

impl PublicationDetails {
    /// Those of a publication.
    ///
    /// # Errors
    /// If they are none of a file publication.
    pub fn of(publication: &publication::Model) -> Result<PublicationDetails> {
        row::details(&publication.details)
    }
}

impl Default for RepositoryDetails {
    fn default() -> RepositoryDetails {
        RepositoryDetails { autopublish: false, manifest: Some(MANIFEST.to_owned()) }
    }
}

/// Details of a publication.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PublicationDetails {
    /// The name of its manifest; null if it has none.
    pub manifest: Option<String>,
}
