//! Sync: mirrors what a remote's manifest lists into a new version (C19).

use ::entities::checksum::{Digests, Expected};
use ::entities::repository_version;
use ::entities::storage::Staged;
use anyhow::Context;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tasking::publish::Publication;
use tasking::sync::{self, Found, Pipeline, Source, Synchronization};
use tasking::units::{DeclaredArtifact, Unit};
use tasking::{Progress, Resources, Task, TaskContext};
use url::Url;

use crate::details::PublicationDetails;
use crate::file::FileContent;
use crate::kinds;
use crate::manifest::Entry;

/// Syncs a repository with a remote. A mirror moreover publishes the remote's manifest as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Synchronize(pub Synchronization);

impl Task for Synchronize {
    const NAME: &'static str = "pulp_file.app.tasks.synchronizing.synchronize";

    fn resources(&self) -> Resources {
        self.0.resources(&kinds::REPOSITORY, &kinds::REMOTE)
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let pipeline = self.0.begin(&cx).await?;
        let listing = download_manifest(&cx, &pipeline).await?;
        let pipeline = pipeline.fingerprint("manifest_checksum", listing.sha256());
        if self.0.optimize && pipeline.is_unchanged() {
            return pipeline.skip().await;
        }
        let url = Url::parse(&pipeline.remote().url)
            .with_context(|| format!("{:?} is not a URL", pipeline.remote().url))?;
        let name = file_name(&url);
        let lines = Lines {
            entries: sync::lines(&cx, &listing, url.as_str(), Entry::parse).await?,
            url,
            parsed: cx.progress("Parsing Metadata Lines", "sync.parsing.metadata", None).await?,
        };
        if let Some(version) = pipeline.run(lines).await?
            && self.0.mirror
        {
            publish_as_is(&cx, &version, name, listing).await?;
        }
        pipeline.remember().await
    }
}

/// The lines of the remote's manifest.
struct Lines {
    entries: BoxStream<'static, anyhow::Result<Entry>>,
    url: Url,
    parsed: Progress,
}

impl Source for Lines {
    async fn units(mut self, found: Found) -> anyhow::Result<()> {
        while let Some(entry) = self.entries.try_next().await? {
            found.add(unit(&self.url, entry)?).await?;
            self.parsed.advance(1).await?;
        }
        self.parsed.finish().await
    }
}

fn unit(manifest: &Url, entry: Entry) -> anyhow::Result<Unit> {
    let mut url = manifest.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.path_segments_mut()
        .ok()
        .with_context(|| format!("{manifest} has no path"))?
        .pop()
        .extend(entry.relative_path.split('/'));
    let expected = Expected { size: Some(entry.size), digests: Digests::sha256(entry.sha256.as_str()) };
    let artifact = DeclaredArtifact::remote(entry.relative_path.as_str(), url, expected);
    let content = FileContent { relative_path: entry.relative_path, sha256: entry.sha256 };
    Ok(Unit::of(&content)?.with(artifact))
}

async fn download_manifest(cx: &TaskContext, pipeline: &Pipeline) -> anyhow::Result<Staged> {
    let mut progress = cx.progress("Downloading Metadata", "sync.downloading.metadata", Some(1)).await?;
    let manifest = pipeline.downloader().fetch_metadata(&pipeline.remote().url).await?;
    progress.advance(1).await?;
    progress.finish().await?;
    Ok(manifest)
}

async fn publish_as_is(
    cx: &TaskContext,
    version: &repository_version::Model,
    name: String,
    listing: Staged,
) -> anyhow::Result<()> {
    let mut publication = Publication::of(cx, version, &kinds::PUBLICATION)
        .pass_through()
        .details(&PublicationDetails { manifest: Some(name.clone()) })?;
    publication.metadata(&name, listing).await?;
    publication.finish().await?;
    Ok(())
}

/// The last segment of the manifest's URL.
fn file_name(url: &Url) -> String {
    match url.path_segments().and_then(|mut segments| segments.next_back()) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => crate::details::MANIFEST.to_owned(),
    }
}
