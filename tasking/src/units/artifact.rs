//! An artifact of a unit as it is declared: its path, where its bytes are, and what is known of them.

use entities::artifact;
use entities::checksum::Expected;
use entities::storage::Staged;
use uuid::Uuid;

/// One artifact of a unit.
#[derive(Debug)]
pub struct DeclaredArtifact {
    pub(crate) relative_path: String,
    pub(crate) url: Option<String>,
    pub(crate) expected: Expected,
    pub(crate) is_wanted_now: bool,
    /// Bytes that are here, but not stored yet.
    pub(crate) staged: Option<Staged>,
    /// The digest of bytes that are stored or staged.
    pub(crate) sha256: Option<String>,
    /// The row of `artifact`, once there is one.
    pub(crate) artifact: Option<Uuid>,
}

impl DeclaredArtifact {
    /// Bytes at a URL: downloaded now or on demand, as the policy of the remote says. What is `expected` of
    /// them is checked whenever they come; without any digest they cannot be recognised before they are
    /// downloaded.
    pub fn remote(
        relative_path: impl Into<String>,
        url: impl Into<String>,
        expected: Expected,
    ) -> DeclaredArtifact {
        DeclaredArtifact {
            relative_path: relative_path.into(),
            url: Some(url.into()),
            expected,
            is_wanted_now: false,
            staged: None,
            sha256: None,
            artifact: None,
        }
    }

    /// Bytes that the source itself has downloaded or generated.
    pub fn staged(relative_path: impl Into<String>, staged: Staged) -> DeclaredArtifact {
        DeclaredArtifact {
            relative_path: relative_path.into(),
            url: None,
            expected: Expected { size: Some(staged.size), digests: staged.digests.clone() },
            is_wanted_now: false,
            sha256: Some(staged.sha256().to_owned()),
            staged: Some(staged),
            artifact: None,
        }
    }

    /// Bytes that are an artifact already.
    pub fn stored(relative_path: impl Into<String>, artifact: &artifact::Model) -> DeclaredArtifact {
        DeclaredArtifact {
            relative_path: relative_path.into(),
            url: None,
            expected: Expected { size: Some(artifact.size.unsigned_abs()), digests: artifact.digests() },
            is_wanted_now: false,
            staged: None,
            sha256: Some(artifact.sha256.clone()),
            artifact: Some(artifact.pulp_id),
        }
    }

    /// Downloads the bytes in the sync, whatever the policy of the remote says: metadata that is served as it
    /// is.
    #[must_use]
    pub fn now(mut self) -> DeclaredArtifact {
        self.is_wanted_now = true;
        self
    }
}
