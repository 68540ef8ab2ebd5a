//! Publication of a version: its content as it is, and a manifest of it (C22).

use ::entities::checksum::Expected;
use ::entities::repository_version;
use ::entities::storage::Staged;
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use tasking::publish::{Publication, Publishing};
use tasking::{Resources, Task, TaskContext, relative_path, units, version};

use crate::details::PublicationDetails;
use crate::file::FileContent;
use crate::kinds;
use crate::manifest::Entry;

/// Lines written at a time.
const BATCH: usize = 500;

/// Publishes a version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Publish {
    /// What is published.
    #[serde(flatten)]
    pub publishing: Publishing,
    /// The name of the manifest; null for none.
    pub manifest: Option<String>,
    /// Whether the publication is a checkpoint.
    pub checkpoint: bool,
}

impl Task for Publish {
    const NAME: &'static str = "pulp_file.app.tasks.publishing.publish";

    fn resources(&self) -> Resources {
        self.publishing.resources(&kinds::REPOSITORY)
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let version = version::complete(&cx, self.publishing.version).await?;
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
    let mut publication = Publication::of(cx, version, &kinds::PUBLICATION)
        .pass_through()
        .checkpoint(checkpoint)
        .details(&PublicationDetails { manifest: manifest.clone() })?;
    if let Some(name) = &manifest {
        relative_path::check(name)?;
        publication.metadata(name, generate(cx, version).await?).await?;
    }
    publication.finish().await?;
    Ok(())
}

/// Writes the manifest of a version, sorted by path, as the rows come.
async fn generate(cx: &TaskContext, version: &repository_version::Model) -> anyhow::Result<Staged> {
    let mut progress = cx.progress("Generating Manifest", "publish.generating_manifest", None).await?;
    let mut writer = cx.pulp().storage.writer();
    let mut batches = units::of_version::<FileContent>(cx, version).await?.try_chunks(BATCH);
    while let Some(files) = batches.try_next().await? {
        let count = files.len() as u64;
        let lines: String = files
            .into_iter()
            .map(|file| {
                let size = file.artifacts.first().and_then(|artifact| artifact.size).unwrap_or_default();
                let FileContent { relative_path, sha256 } = file.content;
                Entry { relative_path, sha256, size }.line()
            })
            .collect();
        writer.write(lines.into()).await?;
        progress.advance(count).await?;
    }
    progress.finish().await?;
    Ok(writer.finish(&Expected::default()).await?)
}
