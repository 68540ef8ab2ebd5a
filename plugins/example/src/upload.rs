//! Upload: a note of bytes that a user brings.

use plugin::entities::kind;
use plugin::tasking::creation::{Creation, Given, StoredBytes};
use plugin::tasking::units::{DeclaredArtifact, Unit};
use plugin::tasking::{Resources, Task, TaskContext};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::note::{Note, paths};

#[derive(Debug, Serialize, Deserialize)]
pub struct Upload {
    pub name: String,
    /// The text, and the repository that gets the note.
    pub creation: Creation,
    /// The artifact of the signature.
    pub signature: Uuid,
}

impl Task for Upload {
    const NAME: &'static str = "pulp_note.app.tasks.upload";

    fn resources(&self) -> Resources {
        self.creation.resources(&crate::REPOSITORY).shared(kind::ARTIFACT.prn(self.signature))
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let parse = async |text: StoredBytes| {
            let signature = text.also(Given::Artifact(self.signature)).await?;
            let note = Note { name: self.name.clone(), sha256: text.artifact.sha256.clone() };
            let [text_path, signature_path] = paths(&note.name);
            Ok(Unit::of(&note)?
                .with(DeclaredArtifact::stored(text_path, &text.artifact))
                .with(DeclaredArtifact::stored(signature_path, &signature.artifact)))
        };
        self.creation.clone().run(&cx, parse).await?;
        Ok(())
    }
}
