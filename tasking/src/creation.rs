//! Content from bytes that a user brings: an artifact, an upload or a URL, read by the plugin's parser (C06,
//! C07, C08).

use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use entities::checksum::{Digests, Expected};
use entities::{Kind, artifact, db, kind};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::download::Downloader;
use crate::tasks::upload;
use crate::units::{self, Unit};
use crate::version::Draft;
use crate::{Resources, TaskContext};

const LABEL: &str = "UPDATE content SET pulp_labels = $2 WHERE pulp_id = $1";

/// Where the bytes are. A file of the request is stored as an artifact before the task is dispatched.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Given {
    /// Stored already.
    Artifact(Uuid),
    /// In the chunks of an upload, which goes away.
    Upload(Uuid),
    /// To be downloaded.
    Url(String),
}

/// The creation of a unit: the arguments that such tasks have in common, whatever the type of content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Creation {
    /// The bytes.
    pub given: Given,
    /// What is known of the bytes.
    #[serde(default)]
    pub expected: Digests,
    /// The repository that gets a version with the unit.
    pub repository: Option<Uuid>,
    /// Labels of the unit.
    #[serde(default)]
    pub pulp_labels: Map<String, Value>,
}

/// The bytes as a parser finds them: stored, whole and verified.
#[derive(Clone, Debug)]
pub struct StoredBytes {
    /// Their artifact.
    pub artifact: artifact::Model,
    cx: TaskContext,
}

impl Creation {
    /// What the task needs; `repositories` is the kind of the repository.
    pub fn resources(&self, repositories: &Kind) -> Resources {
        let resources = match &self.given {
            Given::Artifact(id) => Resources::none().shared(kind::ARTIFACT.prn(id)),
            Given::Upload(id) => Resources::none().exclusive(kind::UPLOAD.prn(id)),
            Given::Url(_) => Resources::none(),
        };
        match self.repository {
            Some(id) => resources.exclusive(repositories.prn(id)),
            None => resources,
        }
    }

    /// Stores the bytes, lets `parse` make a unit of them, finds or creates that unit (C07), and adds it to
    /// the repository if there is one (C08). Returns the unit.
    ///
    /// ```no_run
    /// # use entities::Kind;
    /// # use tasking::creation::Creation;
    /// # use tasking::units::{DeclaredArtifact, Unit};
    /// # use tasking::{Content, ContentType, TaskContext};
    /// # static NOTE: Kind = Kind::typed("t.Note", "content", "t.note", "content/t/notes");
    /// # #[derive(serde::Serialize)]
    /// # struct Note { title: String, sha256: String }
    /// # impl Content for Note {
    /// #     const TYPE: ContentType = ContentType::new(&NOTE, "t_note", &["sha256"]);
    /// # }
    /// # async fn run(cx: TaskContext, creation: Creation) -> anyhow::Result<()> {
    /// creation
    ///     .run(&cx, async |bytes| {
    ///         let text = bytes.bytes(64 * 1024).await?;
    ///         let title = String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned();
    ///         let unit = Unit::of(&Note { title, sha256: bytes.artifact.sha256.clone() })?;
    ///         Ok(unit.with(DeclaredArtifact::stored("note.txt", &bytes.artifact)))
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors If the bytes are not there or not those that were announced, the parser refuses them, or the
    /// repository does not take the unit.
    pub async fn run<F: Future<Output = anyhow::Result<Unit>> + Send>(
        self,
        cx: &TaskContext,
        parse: impl FnOnce(StoredBytes) -> F,
    ) -> anyhow::Result<Uuid> {
        let artifact = artifact(cx, self.given, self.expected).await?;
        let mut units = [parse(StoredBytes { artifact, cx: cx.clone() }).await?];
        let kind = units[0].content.kind;
        let kept = units::keep(cx.pulp(), cx.domain(), &mut units, Vec::new()).await?;
        let txn = cx.begin().await?;
        let ids = units::store(&cx.pulp().storage, cx.domain(), &txn, &mut units, &kept, None).await?;
        let id = *ids.first().context("the unit was not stored")?;
        if !self.pulp_labels.is_empty() {
            let labels = Value::Object(self.pulp_labels);
            txn.execute_raw(db::sql(LABEL, [id.into(), labels.into()])).await?;
        }
        txn.commit().await?;
        if let Some(repository) = self.repository {
            let draft = Draft::begin(cx, repository).await?;
            draft.add(&[id]).await?;
            draft.finish().await?;
        }
        // Clients take the last created resource for the unit: the version stands before it (C08).
        let txn = cx.begin().await?;
        cx.created(&txn, id, &kind.prn(id)).await?;
        txn.commit().await?;
        Ok(id)
    }
}

impl StoredBytes {
    /// More bytes that the user brings, for a unit with several artifacts. The task has to hold what they are
    /// taken from, as [`Creation::resources`] does for the first ones.
    ///
    /// # Errors
    /// If the bytes are not there.
    pub async fn also(&self, given: Given) -> anyhow::Result<StoredBytes> {
        let artifact = artifact(&self.cx, given, Digests::default()).await?;
        Ok(StoredBytes { artifact, cx: self.cx.clone() })
    }

    /// Streams the bytes, or a part of them.
    ///
    /// # Errors
    /// If the storage is away.
    pub async fn read(
        &self,
        range: Option<Range<u64>>,
    ) -> anyhow::Result<BoxStream<'static, anyhow::Result<Bytes>>> {
        let stream = self.cx.pulp().storage.read(&self.artifact.file, range).await?;
        Ok(Box::pin(stream.map_err(anyhow::Error::from)))
    }

    /// All of the bytes in memory.
    ///
    /// # Errors
    /// If there are more than `limit`, or the storage is away.
    pub async fn bytes(&self, limit: u64) -> anyhow::Result<Bytes> {
        let size = self.artifact.size.unsigned_abs();
        anyhow::ensure!(size <= limit, "the file has {size} bytes; at most {limit} are read");
        let mut stream = self.read(None).await?;
        let mut bytes = BytesMut::new();
        while let Some(more) = stream.try_next().await? {
            bytes.extend_from_slice(&more);
        }
        Ok(bytes.freeze())
    }

    /// A copy in the working directory of the task, for parsers that seek, such as those of archives. It goes
    /// with the task.
    ///
    /// # Errors
    /// If the copy cannot be written, or the storage is away.
    pub async fn file(&self) -> anyhow::Result<PathBuf> {
        let path = self.cx.working_directory()?.join(&self.artifact.sha256);
        let failed = || format!("cannot write {}", path.display());
        let mut file = tokio::fs::File::create(&path).await.with_context(failed)?;
        let mut stream = self.read(None).await?;
        while let Some(bytes) = stream.try_next().await? {
            file.write_all(&bytes).await.with_context(failed)?;
        }
        file.flush().await.with_context(failed)?;
        Ok(path)
    }
}

async fn artifact(cx: &TaskContext, given: Given, expected: Digests) -> anyhow::Result<artifact::Model> {
    match given {
        Given::Artifact(id) => find(cx, id, expected).await,
        Given::Upload(id) => {
            let artifact = upload::assemble(cx, id, expected).await?;
            find(cx, artifact, Digests::default()).await
        }
        Given::Url(url) => download(cx, &url, expected).await,
    }
}

async fn find(cx: &TaskContext, id: Uuid, digests: Digests) -> anyhow::Result<artifact::Model> {
    let artifact = artifact::Entity::find_by_id(id)
        .filter(artifact::Column::PulpDomainId.eq(cx.domain()))
        .one(&cx.pulp().db)
        .await?;
    let artifact = artifact.with_context(|| format!("{} no longer exists", kind::ARTIFACT.prn(id)))?;
    Expected { size: None, digests }
        .check(artifact.size.unsigned_abs(), &artifact.digests())
        .with_context(|| format!("{} has other bytes than announced", kind::ARTIFACT.prn(id)))?;
    Ok(artifact)
}

async fn download(cx: &TaskContext, url: &str, digests: Digests) -> anyhow::Result<artifact::Model> {
    let downloader = Downloader::anonymous(cx.pulp(), cx.logging_cid())?;
    let staged = downloader.fetch(url, &Expected { size: None, digests }).await?;
    let (pulp, domain) = (cx.pulp(), cx.domain());
    let kept = artifact::keep(&pulp.db, &pulp.storage, domain, vec![staged]).await?;
    let txn = cx.begin().await?;
    let artifacts = artifact::save(&txn, &pulp.storage, domain, &kept).await?;
    txn.commit().await?;
    artifacts.into_iter().next().context("the artifact was not stored")
}
