//! The end of a chunked upload (C04): its chunks become one artifact, or it is abandoned.

use anyhow::Context;
use chrono::{DateTime, Utc};
use entities::checksum::{Digests, Expected};
use entities::upload::Deletion;
use entities::{artifact, db, kind, upload, upload_chunk};
use futures_util::TryStreamExt;
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::minutes_ago;
use crate::{Resources, Task, TaskContext};

/// Uploads looked up at once.
const BATCH: i64 = 1000;

/// Creates an artifact from an upload and removes the upload.
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
        cx.created(&txn, artifact, &kind::ARTIFACT.prn(artifact)).await?;
        txn.commit().await
    }
}

/// Joins the chunks of an upload, checks the digests, stores the artifact and removes the upload; returns the
/// artifact.
///
/// # Errors
/// If chunks are missing, overlap, or have other bytes than expected. The upload stays then, to be repaired.
pub async fn assemble(cx: &TaskContext, id: Uuid, digests: Digests) -> anyhow::Result<Uuid> {
    let pulp = cx.pulp();
    let upload = cx.scope().find::<upload::Entity>(&pulp.db, id).await?;
    let upload = upload.with_context(|| format!("{} no longer exists", kind::UPLOAD.prn(id)))?;
    let chunks = upload_chunk::Entity::find()
        .filter(upload_chunk::Column::UploadId.eq(id))
        .order_by_asc(upload_chunk::Column::Offset)
        .all(&pulp.db)
        .await?;
    let mut writer = pulp.storage.writer();
    for chunk in &chunks {
        anyhow::ensure!(
            chunk.offset == writer.size() as i64,
            "{} has a gap or overlap between chunks: expected offset {}, found {}",
            kind::UPLOAD.prn(id),
            writer.size(),
            chunk.offset
        );
        let mut bytes = pulp.storage.read(&chunk.file, None).await?;
        while let Some(bytes) = bytes.try_next().await? {
            writer.write(bytes).await?;
        }
    }
    let expected = Expected { size: Some(upload.size as u64), digests };
    let staged =
        writer.finish(&expected).await.with_context(|| format!("{} is incomplete", kind::UPLOAD.prn(id)))?;
    let kept = artifact::keep(&pulp.db, &pulp.storage, cx.domain(), vec![staged]).await?;
    let txn = cx.begin().await?;
    let artifacts = artifact::save(&txn, &pulp.storage, cx.domain(), &kept).await?;
    upload::Entity::delete_by_id(id).exec(&*txn).await?;
    txn.commit().await?;
    for chunk in &chunks {
        pulp.storage.delete(&chunk.file).await?;
    }
    artifacts.first().map(|artifact| artifact.pulp_id).context("the artifact was not stored")
}

/// Deletes uploads, with their chunks, that have not changed for some time. What an unfinished task needs is
/// left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cleanup {
    /// Leave alone what was changed within so many minutes.
    pub protection_minutes: u64,
}

impl Task for Cleanup {
    const NAME: &'static str = "pulpcore.app.tasks.orphan.upload_cleanup";

    fn resources(&self) -> Resources {
        Resources::none()
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let before = minutes_ago(self.protection_minutes);
        let mut progress = cx.progress("Clean up uploads", "clean-up.uploads", None).await?;
        let mut last = Uuid::nil();
        loop {
            let batch = abandoned(&cx, before, last).await?;
            for id in &batch {
                if delete(&cx, *id, before).await? {
                    progress.advance(1).await?;
                }
            }
            match batch.last() {
                Some(id) => last = *id,
                None => return progress.finish().await,
            }
        }
    }
}

#[derive(Debug, FromQueryResult)]
struct Abandoned {
    pulp_id: Uuid,
}

const ABANDONED: &str = "
    SELECT pulp_id FROM upload WHERE pulp_domain_id = $1 AND pulp_last_updated < $2 AND pulp_id > $3
      AND $4 || pulp_id NOT IN (SELECT unnest(exclusive_resources) FROM task
                                WHERE state IN ('waiting', 'running', 'canceling'))
    ORDER BY pulp_id LIMIT $5";

async fn abandoned(cx: &TaskContext, before: DateTime<Utc>, after: Uuid) -> anyhow::Result<Vec<Uuid>> {
    let prn = kind::UPLOAD.prn("");
    let values = [cx.domain().into(), before.into(), after.into(), prn.as_str().into(), BATCH.into()];
    let rows = Abandoned::find_by_statement(db::sql(ABANDONED, values)).all(&cx.pulp().db).await?;
    Ok(rows.into_iter().map(|row| row.pulp_id).collect())
}

/// Deletes one, if it is still left alone. Returns whether it did.
async fn delete(cx: &TaskContext, id: Uuid, before: DateTime<Utc>) -> anyhow::Result<bool> {
    loop {
        let txn = cx.begin().await?;
        let deletion = upload::delete(&txn, &cx.pulp().storage, id, Some(before)).await?;
        txn.commit().await?;
        match deletion {
            Deletion::Goes => {}
            Deletion::Gone => return Ok(true),
            Deletion::Stays => return Ok(false),
        }
    }
}
