//! Commit of a chunked upload: its chunks become one artifact (C04).

use anyhow::Context;
use entities::checksum::{Digests, Expected};
use entities::{artifact, kind, upload, upload_chunk};
use futures_util::TryStreamExt;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Resources, Task, TaskContext};

/// Makes an artifact of an upload and removes the upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Commit {
    /// The upload.
    pub upload: Uuid,
    /// What the SHA-256 of the whole has to be.
    pub sha256: String,
}

impl Task for Commit {
    const NAME: &'static str = "pulpcore.app.tasks.upload.commit";

    fn resources(&self) -> Resources {
        Resources::none().exclusive(kind::UPLOAD.prn(self.upload))
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let artifact = assemble(&cx, self.upload, Digests::sha256(self.sha256)).await?;
        let txn = cx.begin().await?;
        cx.created(&txn, artifact, &kind::ARTIFACT.href(artifact), &kind::ARTIFACT.prn(artifact)).await?;
        txn.commit().await
    }
}

/// Joins the chunks of an upload, checks the digests, stores the artifact and removes the upload; answers the
/// artifact.
///
/// # Errors
/// If chunks are missing, overlap, or make other bytes than expected. The upload stays then, to be mended.
pub async fn assemble(cx: &TaskContext, id: Uuid, digests: Digests) -> anyhow::Result<Uuid> {
    let pulp = cx.pulp();
    let upload = upload::Entity::find_by_id(id).one(&pulp.db).await?;
    let upload = upload.with_context(|| format!("{} no longer exists", kind::UPLOAD.href(id)))?;
    let chunks = upload_chunk::Entity::find()
        .filter(upload_chunk::Column::UploadId.eq(id))
        .order_by_asc(upload_chunk::Column::Offset)
        .all(&pulp.db)
        .await?;
    let mut writer = pulp.storage.writer();
    for chunk in &chunks {
        anyhow::ensure!(
            chunk.offset == writer.size() as i64,
            "the chunks of {} do not follow each other: one starts at byte {}, where byte {} is due",
            kind::UPLOAD.href(id),
            chunk.offset,
            writer.size()
        );
        let mut bytes = pulp.storage.read(&chunk.file, None).await?;
        while let Some(bytes) = bytes.try_next().await? {
            writer.write(bytes).await?;
        }
    }
    let expected = Expected { size: Some(upload.size as u64), digests };
    let staged =
        writer.finish(&expected).await.with_context(|| format!("{} is not whole", kind::UPLOAD.href(id)))?;
    let txn = cx.begin().await?;
    let artifacts = artifact::save(&txn, &pulp.storage, cx.domain(), &[staged]).await?;
    upload::Entity::delete_by_id(id).exec(&*txn).await?;
    txn.commit().await?;
    for chunk in &chunks {
        pulp.storage.delete(&chunk.file).await?;
    }
    artifacts.first().map(|artifact| artifact.pulp_id).context("the artifact was not stored")
}
