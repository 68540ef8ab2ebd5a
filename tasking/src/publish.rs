//! Publications: a version made ready to be served, with files of its content and files that are generated.
//!
//! ```no_run
//! # use entities::{Kind, repository_version};
//! # use tasking::publish::Publication;
//! # use tasking::TaskContext;
//! # use uuid::Uuid;
//! # static PUBLICATION: Kind = Kind::typed("t.Publication", "publication", "t.t", "publications/t/t");
//! # type Files = Vec<(String, Uuid)>;
//! # async fn publish(cx: TaskContext, version: repository_version::Model, files: Files) -> anyhow::Result<()> {
//! let mut publication = Publication::of(&cx, &version, &PUBLICATION);
//! for (path, content_artifact) in files {
//!     publication.artifact(&path, content_artifact).await?;
//! }
//! publication.metadata_bytes("index.json", "{}").await?;
//! publication.finish().await?;
//! # Ok(())
//! # }
//! ```

mod paths;

use bytes::Bytes;
use entities::artifact::Kept;
use entities::checksum::Expected;
use entities::storage::Staged;
use entities::{Kind, artifact, db, publication, published_metadata, repository_version};
use futures_util::{Stream, TryStreamExt, stream};
use sea_orm::{ActiveModelTrait, EntityTrait, FromQueryResult, Set, SqlErr};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{FencedTransaction, Resources, TaskContext, relative_path, version};

/// Files of content written at a time.
const BATCH: usize = 1000;

/// Generated files that are stored in one transaction.
const METADATA: usize = 200;

const ADD_ARTIFACTS: &str = "
    INSERT INTO published_artifact (pulp_id, publication_id, content_artifact_id, relative_path)
    SELECT id, $1, file, path FROM unnest($2::uuid[], $3::uuid[], $4::text[]) AS new (id, file, path)
    ON CONFLICT (publication_id, relative_path) DO NOTHING
    RETURNING content_artifact_id AS file, relative_path";

/// The publication of a version: the arguments that such tasks have in common, whatever the type of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publishing {
    /// The repository of the version: others may use it meanwhile, but not delete it.
    pub repository: Uuid,
    /// The version.
    pub version: Uuid,
}

impl Publishing {
    /// What the task needs, given the kind of the repository.
    pub fn resources(&self, repositories: &Kind) -> Resources {
        Resources::none().shared(repositories.prn(self.repository))
    }
}

/// A publication in the making. Dropped without [`Publication::finish`], it stays invisible; the end of the
/// task removes it.
#[derive(Debug)]
pub struct Publication<'a> {
    cx: &'a TaskContext,
    version: &'a repository_version::Model,
    kind: &'static Kind,
    id: Uuid,
    details: Value,
    pass_through: bool,
    checkpoint: bool,
    artifacts: Vec<(String, Uuid)>,
    metadata: Vec<(String, Staged)>,
    /// Whether the row is there, incomplete, because there was too much for one transaction.
    is_begun: bool,
}

#[derive(Debug, FromQueryResult)]
struct Published {
    file: Uuid,
    relative_path: String,
}

impl<'a> Publication<'a> {
    /// A publication of a complete version, without files.
    pub fn of(
        cx: &'a TaskContext,
        version: &'a repository_version::Model,
        kind: &'static Kind,
    ) -> Publication<'a> {
        Publication {
            cx,
            version,
            kind,
            id: Uuid::now_v7(),
            details: json!({}),
            pass_through: false,
            checkpoint: false,
            artifacts: Vec::new(),
            metadata: Vec::new(),
            is_begun: false,
        }
    }

    /// Serves all content of the version under its own paths.
    #[must_use]
    pub fn pass_through(mut self) -> Publication<'a> {
        self.pass_through = true;
        self
    }

    /// Whether the publication is a checkpoint (A30).
    #[must_use]
    pub fn checkpoint(mut self, checkpoint: bool) -> Publication<'a> {
        self.checkpoint = checkpoint;
        self
    }

    /// What is special to publications of this type.
    ///
    /// # Errors
    /// If the details do not serialise.
    pub fn details(mut self, details: &impl Serialize) -> anyhow::Result<Publication<'a>> {
        self.details = serde_json::to_value(details)?;
        Ok(self)
    }

    /// Serves a file of the content, given by its row of `content_artifact`, under a path.
    ///
    /// # Errors
    /// If the path cannot be one, or is that of another file.
    pub async fn artifact(&mut self, path: &str, content_artifact: Uuid) -> anyhow::Result<()> {
        relative_path::check(path)?;
        self.artifacts.push((path.to_owned(), content_artifact));
        match self.artifacts.len() >= BATCH {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Serves a generated file under a path; [`entities::storage::Storage::writer`] takes its bytes.
    ///
    /// # Errors
    /// If the path cannot be one, or is that of another file.
    pub async fn metadata(&mut self, path: &str, staged: Staged) -> anyhow::Result<()> {
        relative_path::check(path)?;
        self.metadata.push((path.to_owned(), staged));
        match self.metadata.len() >= METADATA {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// As [`Publication::metadata`], with bytes that are in memory.
    ///
    /// # Errors
    /// As [`Publication::metadata`], or if the bytes cannot be stored.
    pub async fn metadata_bytes(&mut self, path: &str, bytes: impl Into<Bytes>) -> anyhow::Result<()> {
        let bytes = stream::iter([Ok(bytes.into())]);
        self.metadata_stream(path, bytes).await
    }

    /// As [`Publication::metadata`], with bytes as they are generated, such as a line for each unit.
    ///
    /// # Errors
    /// As [`Publication::metadata`], if the stream ends with an error, or the bytes cannot be stored.
    pub async fn metadata_stream(
        &mut self,
        path: &str,
        bytes: impl Stream<Item = anyhow::Result<impl Into<Bytes>>> + Send,
    ) -> anyhow::Result<()> {
        let mut writer = self.cx.pulp().storage.writer();
        let mut bytes = std::pin::pin!(bytes);
        while let Some(bytes) = bytes.try_next().await? {
            writer.write(bytes.into()).await?;
        }
        let staged = writer.finish(&Expected::default()).await?;
        self.metadata(path, staged).await
    }

    /// Makes the publication visible, and the task's created resource; returns its id.
    ///
    /// # Errors
    /// If a path is that of two files, or of a file and of a directory.
    pub async fn finish(mut self) -> anyhow::Result<Uuid> {
        let (paths, kept) = self.keep().await?;
        let txn = self.cx.begin().await?;
        self.begin(&txn, true).await?;
        self.write_artifacts(&txn).await?;
        self.write_metadata(&txn, paths, &kept).await?;
        paths::check(&txn, self.id).await?;
        self.cx.created(&txn, self.id, &self.kind.prn(self.id)).await?;
        txn.commit().await?;
        if self.checkpoint {
            version::retain(self.cx, self.version.repository_id).await?;
        }
        Ok(self.id)
    }

    /// Writes the files that are waiting.
    async fn flush(&mut self) -> anyhow::Result<()> {
        let (paths, kept) = self.keep().await?;
        let txn = self.cx.begin().await?;
        self.begin(&txn, false).await?;
        self.write_artifacts(&txn).await?;
        self.write_metadata(&txn, paths, &kept).await?;
        txn.commit().await?;
        self.is_begun = true;
        Ok(())
    }

    /// Writes the bytes of generated files to where they stay; their paths are in the same order.
    async fn keep(&mut self) -> anyhow::Result<(Vec<String>, Kept)> {
        let (paths, staged) = self.metadata.drain(..).unzip();
        let pulp = self.cx.pulp();
        Ok((paths, artifact::keep(&pulp.db, &pulp.storage, self.cx.domain(), staged).await?))
    }

    async fn begin(&self, txn: &FencedTransaction, complete: bool) -> anyhow::Result<()> {
        let row = publication::ActiveModel {
            pulp_id: Set(self.id),
            complete: Set(complete),
            task_id: Set((!complete).then(|| self.cx.task_id())),
            ..Default::default()
        };
        if self.is_begun {
            row.update(&**txn).await?;
            return Ok(());
        }
        publication::ActiveModel {
            pulp_domain_id: Set(self.cx.domain()),
            pulp_type: Set(self.kind.type_name().to_owned()),
            repository_version_id: Set(self.version.pulp_id),
            pass_through: Set(self.pass_through),
            checkpoint: Set(self.checkpoint),
            details: Set(self.details.clone()),
            ..row
        }
        .insert(&**txn)
        .await?;
        Ok(())
    }

    async fn write_metadata(
        &self,
        txn: &FencedTransaction,
        paths: Vec<String>,
        kept: &Kept,
    ) -> anyhow::Result<()> {
        let artifacts = artifact::save(txn, &self.cx.pulp().storage, self.cx.domain(), kept).await?;
        if artifacts.is_empty() {
            return Ok(());
        }
        let rows = paths.into_iter().zip(artifacts).map(|(path, artifact)| published_metadata::ActiveModel {
            pulp_id: Set(Uuid::now_v7()),
            publication_id: Set(self.id),
            artifact_id: Set(artifact.pulp_id),
            relative_path: Set(path),
        });
        match published_metadata::Entity::insert_many(rows).exec(&**txn).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                anyhow::bail!("two generated files of the publication have the same path")
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn write_artifacts(&mut self, txn: &FencedTransaction) -> anyhow::Result<()> {
        if self.artifacts.is_empty() {
            return Ok(());
        }
        let (paths, files): (Vec<String>, Vec<Uuid>) = self.artifacts.drain(..).unzip();
        let ids: Vec<Uuid> = files.iter().map(|_| Uuid::now_v7()).collect();
        let values = [self.id.into(), ids.into(), files.clone().into(), paths.clone().into()];
        let written = Published::find_by_statement(db::sql(ADD_ARTIFACTS, values)).all(&**txn).await?;
        if written.len() < files.len() {
            let mut written: Vec<(String, Uuid)> =
                written.into_iter().map(|row| (row.relative_path, row.file)).collect();
            for file in paths.into_iter().zip(files) {
                let Some(index) = written.iter().position(|other| *other == file) else {
                    anyhow::bail!("two files of the publication have the same path {:?}", file.0);
                };
                written.swap_remove(index);
            }
        }
        Ok(())
    }
}
