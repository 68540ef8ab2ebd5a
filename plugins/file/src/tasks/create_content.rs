//! Content from bytes that a user brings: an artifact, an upload, or a URL (C06, C07, C08).

use serde::{Deserialize, Serialize};
use tasking::creation::{Creation, StoredBytes};
use tasking::units::{DeclaredArtifact, Unit};
use tasking::{Resources, Task, TaskContext};

use crate::file::FileContent;
use crate::kinds;
use crate::manifest::check_path;

/// Finds or creates a unit, and adds it to a repository if one is named.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreateContent {
    /// The path of the unit.
    pub relative_path: String,
    /// What all creations are of.
    #[serde(flatten)]
    pub creation: Creation,
}

impl Task for CreateContent {
    const NAME: &'static str = "pulp_file.app.tasks.content.create";

    fn resources(&self) -> Resources {
        self.creation.resources(&kinds::REPOSITORY)
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        check_path(&self.relative_path)?;
        let parse = async |bytes: StoredBytes| {
            let sha256 = bytes.artifact.sha256.clone();
            let artifact = DeclaredArtifact::stored(self.relative_path.as_str(), &bytes.artifact);
            let content = FileContent { relative_path: self.relative_path.clone(), sha256 };
            Ok(Unit::of(&content)?.with(artifact))
        };
        self.creation.clone().run(&cx, parse).await?;
        Ok(())
    }
}
