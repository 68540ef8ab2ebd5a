//! The pipeline as a whole: its options, its stages, and its end.

use std::sync::Arc;

use anyhow::Context;
use entities::{remote, repository, repository_version};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use uuid::Uuid;

use super::batch::Batch;
use super::listed;
use super::prepare::Prepare;
use super::source::{Found, Source};
use super::unchanged::SyncDetails;
use crate::download::Downloader;
use crate::units::Unit;
use crate::version::{self, Draft};
use crate::{RepositoryType, TaskContext};

/// Batches that are looked up and downloaded while another is saved.
const LOOKAHEAD: usize = 2;

/// One sync of a repository with a remote. The task has to hold the repository exclusively.
#[derive(Debug)]
pub struct Pipeline {
    cx: TaskContext,
    repository: repository::Model,
    remote: remote::Model,
    types: Arc<RepositoryType>,
    downloader: Downloader,
    mirror: bool,
    fingerprint: Map<String, Value>,
}

impl Pipeline {
    /// Looks up what the sync works with.
    ///
    /// # Errors
    /// If the repository or the remote no longer exists, or the remote cannot be used as it is configured.
    pub async fn begin(cx: &TaskContext, repository: Uuid, remote: Uuid) -> anyhow::Result<Pipeline> {
        let repository = version::repository(cx, repository).await?;
        let found = remote::Entity::find_by_id(remote)
            .filter(remote::Column::PulpDomainId.eq(cx.domain()))
            .one(&cx.pulp().db)
            .await?;
        let remote = found.with_context(|| format!("the remote {remote} no longer exists"))?;
        Ok(Pipeline {
            types: cx.repository_type(&repository.pulp_type)?,
            downloader: Downloader::new(cx.pulp(), &remote, cx.logging_cid())?,
            cx: cx.clone(),
            repository,
            remote,
            mirror: false,
            fingerprint: Map::new(),
        })
    }

    /// Whether units that the source does not declare leave the repository.
    #[must_use]
    pub fn mirror(mut self, mirror: bool) -> Pipeline {
        self.mirror = mirror;
        self
    }

    /// Adds what tells one state of the upstream from another, such as the digest of its metadata. It is kept
    /// in the repository's `last_sync_details`.
    #[must_use]
    pub fn fingerprint(mut self, name: &str, value: impl Into<Value>) -> Pipeline {
        self.fingerprint.insert(name.to_owned(), value.into());
        self
    }

    /// The repository.
    pub fn repository(&self) -> &repository::Model {
        &self.repository
    }

    /// The remote.
    pub fn remote(&self) -> &remote::Model {
        &self.remote
    }

    /// Downloads from the remote, for the upstream's metadata; cheap to clone.
    pub fn downloader(&self) -> &Downloader {
        &self.downloader
    }

    /// Whether the last sync saw the same upstream with the same options, and nothing has changed in the
    /// repository since. What is the same is for the plugin to say, by fingerprints.
    pub fn is_unchanged(&self) -> bool {
        self.details().are_of(&self.repository)
    }

    /// Reports that there is nothing to do.
    ///
    /// # Errors
    /// If the database is away.
    pub async fn skip(&self) -> anyhow::Result<()> {
        let message = "Skipping Sync (no change from previous sync)";
        let mut progress = self.cx.progress(message, "sync.was_skipped", Some(1)).await?;
        progress.advance(1).await?;
        progress.finish().await
    }

    /// Takes the declared units into a new version; `None` if nothing has changed.
    ///
    /// # Errors
    /// Whatever the source, a download or the keys of the version say. There is no new version then.
    pub async fn run(&self, source: impl Source) -> anyhow::Result<Option<repository_version::Model>> {
        listed::forget_ended(&self.cx).await?;
        let outcome = self.version(source).await;
        listed::forget(&self.cx).await?;
        outcome
    }

    /// Writes down what this sync saw, so that the next one can be skipped. The last step of a sync that
    /// succeeded.
    ///
    /// # Errors
    /// If the task was canceled, or the database is away.
    pub async fn remember(&self) -> anyhow::Result<()> {
        self.details().remember(&self.cx, self.repository.pulp_id).await
    }

    fn details(&self) -> SyncDetails {
        SyncDetails::new(&self.remote, self.mirror, self.fingerprint.clone())
    }

    async fn version(&self, source: impl Source) -> anyhow::Result<Option<repository_version::Model>> {
        let mut draft = Draft::begin(&self.cx, self.repository.pulp_id).await?;
        let limit = self.cx.pulp().settings.max_concurrent_content.max(1);
        let (sender, receiver) = mpsc::channel(limit);
        let found = Found::new(sender, self.types.clone());
        let source = async move { source.units(found).await }.in_current_span();
        let source = AbortOnDropHandle::new(tokio::spawn(source));
        // Whichever fails first ends the other.
        tokio::try_join!(async { source.await? }, self.save_all(&draft, receiver, limit))?;
        if self.mirror {
            listed::remove_unlisted(&self.cx, &mut draft).await?;
        }
        draft.refuse_listed_twice().await?;
        draft.finish().await
    }

    async fn save_all(&self, draft: &Draft, units: mpsc::Receiver<Unit>, limit: usize) -> anyhow::Result<()> {
        let mut downloaded =
            self.cx.progress("Downloading Artifacts", "sync.downloading.artifacts", None).await?;
        let mut associated = self.cx.progress("Associating Content", "associating.content", None).await?;
        let mut batches = std::pin::pin!(self.prepared(units, limit));
        while let Some(batch) = batches.try_next().await? {
            downloaded.advance(batch.staged.len() as u64).await?;
            let added = batch.save(&self.cx, draft, self.remote.pulp_id).await?;
            associated.advance(added).await?;
        }
        downloaded.finish().await?;
        associated.finish().await
    }

    /// Batches that are ready to be saved. A batch is what was declared while earlier ones were under way, so
    /// a source that waits for one of its units waits for no other.
    fn prepared(
        &self,
        units: mpsc::Receiver<Unit>,
        limit: usize,
    ) -> impl Stream<Item = anyhow::Result<Batch>> + Send + use<> {
        let prepare = Arc::new(Prepare::new(
            self.cx.clone(),
            self.repository.pulp_id,
            &self.remote,
            self.downloader.clone(),
        ));
        stream::unfold((units, Vec::new()), move |(mut units, mut batch)| async move {
            if batch.is_empty() && units.recv_many(&mut batch, limit).await == 0 {
                return None;
            }
            let later = batch.split_off(fitting(&batch, limit));
            Some((batch, (units, later)))
        })
        .map(move |batch| {
            let prepare = prepare.clone();
            let prepared = async move { prepare.batch(batch).await };
            AbortOnDropHandle::new(tokio::spawn(prepared.in_current_span()))
        })
        .buffered(LOOKAHEAD)
        .map(|prepared| prepared?)
    }
}

/// How many units fit into a batch: small artifacts are in memory until they are saved, so their number is
/// limited, too.
fn fitting(units: &[Unit], limit: usize) -> usize {
    let mut artifacts = 0;
    let fits = |unit: &&Unit| {
        artifacts += unit.artifacts.len();
        artifacts <= limit
    };
    units.iter().take_while(fits).count().max(1)
}
