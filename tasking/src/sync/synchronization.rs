//! What a sync is asked for.

use entities::Kind;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Pipeline;
use crate::{Resources, TaskContext};

/// A sync of a repository with a remote: the arguments that such tasks have in common, whatever the type of
/// content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synchronization {
    /// The repository that gets a version.
    pub repository: Uuid,
    /// Where from.
    pub remote: Uuid,
    /// Whether what the remote does not list leaves the repository.
    pub mirror: bool,
    /// Whether nothing is done if the remote is as it was at the last sync.
    pub optimize: bool,
}

impl Synchronization {
    /// What the task needs, given the kinds of the repository and of the remote.
    pub fn resources(&self, repositories: &Kind, remotes: &Kind) -> Resources {
        Resources::none().exclusive(repositories.prn(self.repository)).shared(remotes.prn(self.remote))
    }

    /// The pipeline that does it.
    ///
    /// # Errors
    /// As [`Pipeline::begin`].
    pub async fn begin(&self, cx: &TaskContext) -> anyhow::Result<Pipeline> {
        Ok(Pipeline::begin(cx, self.repository, self.remote).await?.mirror(self.mirror))
    }
}
