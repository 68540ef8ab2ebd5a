//! Content from bytes that a user brings: an artifact, an upload, or a URL (C06, C07, C08).

use ::entities::checksum::{Digests, Expected};
use ::entities::{artifact, kind};
use anyhow::Context;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use tasking::tasks::upload;
use tasking::version::Draft;
use tasking::{Resources, Task, TaskContext};
use uuid::Uuid;

use crate::kinds;
use crate::tasks::synchronize::save::{Unit, save_units};

/// Where the bytes are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Stored already.
    Artifact(Uuid),
    /// In the chunks of an upload, which goes away.
    Upload(Uuid),
    /// To be downloaded.
    Url(String),
}

/// Makes a unit, or finds the one that is there, and adds it to a repository if one is named.
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
    /// Labels of a new unit.
    #[serde(default)]
    pub pulp_labels: serde_json::Map<String, serde_json::Value>,
}

impl Task for CreateContent {
    const NAME: &'static str = "pulp_file.app.tasks.content.create";

    fn resources(&self) -> Resources {
        let resources = match &self.source {
            Source::Artifact(id) => Resources::none().shared(kind::ARTIFACT.prn(id)),
            Source::Upload(id) => Resources::none().exclusive(kind::UPLOAD.prn(id)),
            Source::Url(_) => Resources::none(),
        };
        match self.repository {
            Some(id) => resources.exclusive(kinds::REPOSITORY.prn(id)),
            None => resources,
        }
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        crate::manifest::check_path(&self.relative_path)?;
        let artifact = match self.source {
            Source::Artifact(id) => find(&cx, id, &self.expected).await?,
            Source::Upload(id) => {
                let artifact = upload::assemble(&cx, id, self.expected).await?;
                find(&cx, artifact, &Digests::default()).await?
            }
            Source::Url(url) => download(&cx, &url, self.expected).await?,
        };
        let unit = Unit::stored(self.relative_path, &artifact);
        let txn = cx.begin().await?;
        let ids = save_units(&txn, cx.domain(), &[unit], None).await?;
        let id = *ids.first().context("the unit was not stored")?;
        if !self.pulp_labels.is_empty() {
            crate::tasks::synchronize::save::label(&txn, id, self.pulp_labels).await?;
        }
        cx.created(&txn, id, &kinds::CONTENT.href(id), &kinds::CONTENT.prn(id)).await?;
        txn.commit().await?;
        if let Some(repository) = self.repository {
            let draft = Draft::begin(&cx, repository).await?;
            draft.add(&[id]).await?;
            draft.finish().await?;
        }
        Ok(())
    }
}

async fn find(cx: &TaskContext, id: Uuid, expected: &Digests) -> anyhow::Result<artifact::Model> {
    let artifact = artifact::Entity::find_by_id(id).one(&cx.pulp().db).await?;
    let artifact = artifact.with_context(|| format!("{} no longer exists", kind::ARTIFACT.href(id)))?;
    let expected = Expected { size: None, digests: expected.clone() };
    expected
        .check(artifact.size.unsigned_abs(), &artifact.digests())
        .with_context(|| format!("{} holds other bytes", kind::ARTIFACT.href(id)))?;
    Ok(artifact)
}

async fn download(cx: &TaskContext, url: &str, digests: Digests) -> anyhow::Result<artifact::Model> {
    let downloader = tasking::download::Downloader::anonymous(cx.pulp(), cx.logging_cid())?;
    let staged = downloader.fetch(url, &Expected { size: None, digests }).await?;
    let txn = cx.begin().await?;
    let artifacts = artifact::save(&txn, &cx.pulp().storage, cx.domain(), &[staged]).await?;
    txn.commit().await?;
    artifacts.into_iter().next().context("the artifact was not stored")
}
