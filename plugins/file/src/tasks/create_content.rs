//! Content from bytes that a user brings: an artifact, an upload, or a URL (C06, C07, C08).

use ::entities::checksum::Digests;
use serde::{Deserialize, Serialize};
use tasking::creation::Creation;
use tasking::units::{DeclaredArtifact, Unit};
use tasking::{Resources, Task, TaskContext, relative_path};
use uuid::Uuid;

use crate::file::FileContent;
use crate::kinds;

pub use tasking::creation::Given as Source;

/// Finds or creates a unit, and adds it to a repository if one is named.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CreateContent {
    /// The path of the unit.
    pub relative_path: String,
    /// Its bytes.
    pub source: Source,
    /// What is known of the bytes.
    #[serde(default)]
    pub expected: Digests,
    /// The repository that gets a version with the unit.
    pub repository: Option<Uuid>,
    /// Labels of the unit.
    #[serde(default)]
    pub pulp_labels: serde_json::Map<String, serde_json::Value>,
}

impl Task for CreateContent {
    const NAME: &'static str = "pulp_file.app.tasks.content.create";

    fn resources(&self) -> Resources {
        self.creation().resources(&kinds::REPOSITORY)
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        relative_path::check(&self.relative_path)?;
        self.creation()
            .run(&cx, async |bytes| {
                let sha256 = bytes.artifact.sha256.clone();
                let artifact = DeclaredArtifact::stored(self.relative_path.as_str(), &bytes.artifact);
                let content = FileContent { relative_path: self.relative_path.clone(), sha256 };
                Ok(Unit::of(&content)?.with(artifact))
            })
            .await?;
        Ok(())
    }
}

impl CreateContent {
    fn creation(&self) -> Creation {
        Creation {
            given: self.source.clone(),
            expected: self.expected.clone(),
            repository: self.repository,
            pulp_labels: self.pulp_labels.clone(),
        }
    }
}
