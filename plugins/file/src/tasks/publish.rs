//! Publication of a version: its content as it is, and a manifest of it (C22).

use ::entities::checksum::Expected;
use ::entities::storage::Staged;
use ::entities::{artifact, db, kind, publication, published_metadata, repository_version};
use anyhow::Context;
use futures_util::TryStreamExt;
use sea_orm::{ActiveModelTrait, EntityTrait, Set, StreamTrait};
use serde::{Deserialize, Serialize};
use tasking::{Resources, Task, TaskContext};
use uuid::Uuid;

use crate::details::PublicationDetails;
use crate::kinds;
use crate::manifest::Entry;

/// Lines written at a time.
const BATCH: usize = 500;

/// Publishes a version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Publish {
    /// The repository of the version: others may use it meanwhile, but not delete it.
    pub repository: Uuid,
    /// The version.
    pub version: Uuid,
    /// The name of the manifest; null makes none.
    pub manifest: Option<String>,
    /// Whether the publication is a checkpoint.
    pub checkpoint: bool,
}

impl Task for Publish {
    const NAME: &'static str = "pulp_file.app.tasks.publishing.publish";

    fn resources(&self) -> Resources {
        Resources::none().shared(kinds::REPOSITORY.prn(self.repository))
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let version = repository_version::Entity::find_by_id(self.version).one(&cx.pulp().db).await?;
        let version = version
            .filter(|version| version.complete)
            .with_context(|| format!("{} no longer exists", kind::REPOSITORY_VERSION.prn(self.version)))?;
        publish(&cx, &version, self.manifest, self.checkpoint).await
    }
}

/// Publishes a complete version with a generated manifest.
pub(crate) async fn publish(
    cx: &TaskContext,
    version: &repository_version::Model,
    manifest: Option<String>,
    checkpoint: bool,
) -> anyhow::Result<()> {
    let file = match &manifest {
        Some(name) => {
            crate::manifest::check_path(name)?;
            Some((name.clone(), generate(cx, version).await?))
        }
        None => None,
    };
    complete(cx, version, PublicationDetails { manifest }, checkpoint, file).await
}

/// Makes a publication and its metadata file visible in one transaction.
pub(crate) async fn complete(
    cx: &TaskContext,
    version: &repository_version::Model,
    details: PublicationDetails,
    checkpoint: bool,
    file: Option<(String, Staged)>,
) -> anyhow::Result<()> {
    let id = Uuid::now_v7();
    let txn = cx.begin().await?;
    publication::ActiveModel {
        pulp_id: Set(id),
        pulp_domain_id: Set(cx.domain()),
        pulp_type: Set(kinds::PULP_TYPE.to_owned()),
        repository_version_id: Set(version.pulp_id),
        complete: Set(true),
        pass_through: Set(true),
        checkpoint: Set(checkpoint),
        details: Set(serde_json::to_value(details)?),
        ..Default::default()
    }
    .insert(&*txn)
    .await?;
    if let Some((relative_path, staged)) = file {
        let artifacts = artifact::save(&txn, &cx.pulp().storage, cx.domain(), &[staged]).await?;
        let artifact = artifacts.first().context("the manifest was not stored")?;
        published_metadata::ActiveModel {
            pulp_id: Set(Uuid::now_v7()),
            publication_id: Set(id),
            artifact_id: Set(artifact.pulp_id),
            relative_path: Set(relative_path),
        }
        .insert(&*txn)
        .await?;
    }
    cx.created(&txn, id, &kinds::PUBLICATION.href(id), &kinds::PUBLICATION.prn(id)).await?;
    txn.commit().await
}

/// Writes the manifest of a version, sorted by path, as the rows come.
async fn generate(cx: &TaskContext, version: &repository_version::Model) -> anyhow::Result<Staged> {
    let sql = "SELECT file_content.relative_path, file_content.sha256,
                      coalesce(artifact.size, (SELECT max(size) FROM remote_artifact
                                               WHERE content_artifact_id = content_artifact.pulp_id), 0) AS size
               FROM file_content
               JOIN repository_content USING (content_id)
               JOIN content_artifact USING (content_id)
               LEFT JOIN artifact ON artifact.pulp_id = content_artifact.artifact_id
               WHERE repository_id = $1 AND version_added <= $2
                 AND (version_removed IS NULL OR version_removed > $2)
               ORDER BY file_content.relative_path";
    let mut progress = cx.progress("Generating Manifest", "publish.generating_manifest", None).await?;
    let mut writer = cx.pulp().storage.writer();
    let values = [version.repository_id.into(), version.number.into()];
    let rows = cx.pulp().db.stream_raw(db::sql(sql, values)).await?;
    let mut batches = rows.try_chunks(BATCH);
    while let Some(rows) = batches.try_next().await? {
        let mut lines = String::new();
        for row in &rows {
            let entry = Entry {
                relative_path: row.try_get("", "relative_path")?,
                sha256: row.try_get("", "sha256")?,
                size: row.try_get::<i64>("", "size")?.unsigned_abs(),
            };
            lines.push_str(&entry.line());
        }
        writer.write(lines.into()).await?;
        progress.advance(rows.len() as u64).await?;
    }
    progress.finish().await?;
    Ok(writer.finish(&Expected::default()).await?)
}
