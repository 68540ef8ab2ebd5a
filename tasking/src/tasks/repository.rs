//! Tasks on repository versions: modify and delete.

use entities::Prn;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::version::{self, Draft};
use crate::{Resources, Task, TaskContext};

/// What to take out of the base of a new version.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Removal {
    /// Everything: `["*"]`.
    All,
    /// These units.
    Units(Vec<Uuid>),
}

/// Creates a version by removing units, then adding units (C11).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AddAndRemove {
    /// The repository.
    pub repository: Uuid,
    /// The model of the repository, such as `file.filerepository`.
    pub model: String,
    /// Units to add.
    pub add: Vec<Uuid>,
    /// Units to remove first.
    pub remove: Removal,
    /// The version to start from; the latest if absent.
    pub base_version: Option<i32>,
}

/// Deletes one version; what it added or removed is folded into the next (C15).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeleteVersion {
    /// The repository.
    pub repository: Uuid,
    /// The model of the repository, such as `file.filerepository`.
    pub model: String,
    /// The number of the version.
    pub number: i32,
}

impl Task for AddAndRemove {
    const NAME: &'static str = "pulpcore.app.tasks.repository.add_and_remove";

    fn resources(&self) -> Resources {
        lock(&self.model, self.repository)
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let mut draft = Draft::begin(&cx, self.repository).await?;
        if let Some(base) = self.base_version {
            draft.reset_to(base).await?;
        }
        match self.remove {
            Removal::All => draft.remove_all().await?,
            Removal::Units(units) => draft.remove(&units).await?,
        }
        draft.add(&self.add).await?;
        draft.finish().await?;
        Ok(())
    }
}

impl Task for DeleteVersion {
    const NAME: &'static str = "pulpcore.app.tasks.repository.delete_version";

    fn resources(&self) -> Resources {
        lock(&self.model, self.repository)
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        version::delete(&cx, self.repository, self.number).await
    }
}

fn lock(model: &str, repository: Uuid) -> Resources {
    Resources::none().exclusive(Prn::literal(format!("prn:{model}:{repository}")))
}
