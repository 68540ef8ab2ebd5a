//! Sync: mirrors what a remote's manifest lists into a new version (C19).
//!
//! A pipeline with back-pressure: the manifest is streamed in batches; a batch is looked up, what is missing is
//! downloaded, and then it is saved in one transaction. Few batches are under way at a time, so memory does not grow
//! with the repository.

mod changes;
mod listing;
mod prepare;
pub(crate) mod save;

use std::sync::Arc;

use ::entities::checksum::Expected;
use ::entities::storage::Staged;
use ::entities::{db, remote, repository_version};
use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt};
use sea_orm::{ConnectionTrait, EntityTrait};
use serde::{Deserialize, Serialize};
use tasking::download::Downloader;
use tasking::version::Draft;
use tasking::{Resources, Task, TaskContext};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::details::PublicationDetails;
use crate::kinds;
use crate::tasks::publish;
use changes::SyncDetails;
use prepare::Prepare;

/// Batches that are looked up and downloaded while another is saved.
const LOOKAHEAD: usize = 2;

/// Syncs a repository with a remote.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Synchronize {
    /// The repository that gets a version.
    pub repository: Uuid,
    /// Where from.
    pub remote: Uuid,
    /// Whether what the remote does not list goes, and the remote's manifest is published as it is.
    pub mirror: bool,
    /// Whether nothing is done if the remote is as it was at the last sync.
    pub optimize: bool,
}

impl Task for Synchronize {
    const NAME: &'static str = "pulp_file.app.tasks.synchronizing.synchronize";

    fn resources(&self) -> Resources {
        Resources::none()
            .exclusive(kinds::REPOSITORY.prn(self.repository))
            .shared(kinds::REMOTE.prn(self.remote))
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let remote = remote::Entity::find_by_id(self.remote).one(&cx.pulp().db).await?;
        let remote =
            remote.with_context(|| format!("{} no longer exists", kinds::REMOTE.href(self.remote)))?;
        let downloader = Downloader::new(cx.pulp(), &remote, cx.logging_cid())?;
        let manifest = download_manifest(&cx, &downloader, &remote.url).await?;

        let details = SyncDetails::new(&remote, &manifest, self.mirror);
        if self.optimize && changes::is_unchanged(&cx, self.repository, &details).await? {
            return cx
                .progress("Skipping Sync (no change from previous sync)", "sync.was_skipped", Some(1))
                .await?
                .finish()
                .await;
        }
        changes::forget_entries(&cx).await?;
        let outcome = self.mirror_manifest(&cx, remote, downloader, manifest).await;
        changes::forget_entries_of(&cx, cx.task_id()).await?;
        outcome?;
        changes::remember(&cx, self.repository, details).await
    }
}

impl Synchronize {
    async fn mirror_manifest(
        &self,
        cx: &TaskContext,
        remote: remote::Model,
        downloader: Downloader,
        manifest: Staged,
    ) -> anyhow::Result<()> {
        let name = listing::file_name(&remote.url);
        let mut draft = Draft::begin(cx, self.repository).await?;
        self.save_all(cx, &draft, remote, downloader, &manifest).await?;
        if self.mirror {
            self.remove_unlisted(cx, &mut draft).await?;
        }
        if let Some(version) = draft.finish().await?
            && self.mirror
        {
            self.publish_as_is(cx, &version, name, manifest).await?;
        }
        Ok(())
    }

    async fn save_all(
        &self,
        cx: &TaskContext,
        draft: &Draft,
        remote: remote::Model,
        downloader: Downloader,
        manifest: &Staged,
    ) -> anyhow::Result<()> {
        let batch = cx.pulp().settings.max_concurrent_content.max(1);
        let entries = listing::entries(cx.pulp().storage.read_staged(manifest).await?, &remote.url);
        let mut parsed = cx.progress("Parsing Metadata Lines", "sync.parsing.metadata", None).await?;
        let mut downloaded = cx.progress("Downloading Artifacts", "sync.downloading.artifacts", None).await?;
        let mut associated = cx.progress("Associating Content", "associating.content", None).await?;
        let remote_id = remote.pulp_id;
        let prepare = Arc::new(Prepare::new(cx.clone(), self.repository, remote, downloader)?);
        let mut batches = entries
            .try_chunks(batch)
            .map_err(|error| error.1)
            .map_ok(|entries| {
                let prepare = prepare.clone();
                AbortOnDropHandle::new(tokio::spawn(async move { prepare.batch(entries).await }))
            })
            .map(|spawned| async move { spawned?.await? })
            .buffered(LOOKAHEAD)
            .boxed();
        while let Some(batch) = batches.try_next().await? {
            parsed.advance(batch.entries() as u64).await?;
            downloaded.advance(batch.downloads() as u64).await?;
            let added = save::save_batch(cx, draft, remote_id, batch).await?;
            associated.advance(added as u64).await?;
        }
        parsed.finish().await?;
        downloaded.finish().await?;
        associated.finish().await
    }

    /// Removes what the manifest did not list, a batch at a time.
    async fn remove_unlisted(&self, cx: &TaskContext, draft: &mut Draft) -> anyhow::Result<()> {
        let sql = "SELECT content_id FROM repository_content AS present
                   WHERE repository_id = $1 AND version_removed IS NULL AND content_id > $3
                     AND NOT EXISTS (
                         SELECT FROM file_content AS file
                         CROSS JOIN LATERAL (
                             SELECT FROM file_sync_entry
                             WHERE task_id = $2 AND relative_path = file.relative_path
                               AND content_id = file.content_id OFFSET 0) AS listed
                         WHERE file.content_id = present.content_id OFFSET 0)
                   ORDER BY content_id LIMIT 5000";
        let mut progress = cx.progress("Un-Associating Content", "unassociating.content", None).await?;
        let mut last = Uuid::nil();
        loop {
            let values = [self.repository.into(), cx.task_id().into(), last.into()];
            let rows = cx.pulp().db.query_all_raw(db::sql(sql, values)).await?;
            let units: Vec<Uuid> =
                rows.iter().map(|row| row.try_get("", "content_id")).collect::<Result<_, _>>()?;
            let Some(greatest) = units.last() else {
                return progress.finish().await;
            };
            last = *greatest;
            draft.remove(&units).await?;
            progress.advance(units.len() as u64).await?;
        }
    }

    async fn publish_as_is(
        &self,
        cx: &TaskContext,
        version: &repository_version::Model,
        name: String,
        manifest: Staged,
    ) -> anyhow::Result<()> {
        let details = PublicationDetails { manifest: Some(name.clone()) };
        publish::complete(cx, version, details, false, Some((name, manifest))).await
    }
}

async fn download_manifest(cx: &TaskContext, downloader: &Downloader, url: &str) -> anyhow::Result<Staged> {
    let mut progress = cx.progress("Downloading Metadata", "sync.downloading.metadata", Some(1)).await?;
    let manifest = downloader.fetch(url, &Expected::default()).await?;
    progress.advance(1).await?;
    progress.finish().await?;
    Ok(manifest)
}
