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
    /// The version to start from, of this or another repository; the latest if absent.
    pub base_version: Option<Base>,
    /// Whether an added unit may take the place of one with the same key.
    pub overwrite: bool,
}

/// A version by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Its repository.
    pub repository: Uuid,
    /// Its number.
    pub number: i32,
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
        let resources = lock(&self.model, self.repository);
        match self.base_version.filter(|base| base.repository != self.repository) {
            Some(base) => resources.shared(prn(&self.model, base.repository)),
            None => resources,
        }
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let mut draft = Draft::begin(&cx, self.repository).await?.overwrite(self.overwrite);
        match self.base_version {
            Some(base) if base.repository == self.repository => draft.reset_to(base.number).await?,
            Some(base) => draft.copy(base.repository, base.number).await?,
            None => {}
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
    Resources::none().exclusive(prn(model, repository))
}

fn prn(model: &str, repository: Uuid) -> Prn {
    Prn::literal(format!("prn:{model}:{repository}"))
}
