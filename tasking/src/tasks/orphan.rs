//! Orphan cleanup: removes content that is in no version, then artifacts that belong to nothing (C30).

use chrono::Utc;
use entities::{Prn, db, domain, tombstone, upload};
use sea_orm::{ConnectionTrait, FromQueryResult, SqlErr, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::minutes_ago;
use crate::{Resources, Task, TaskContext};

/// Rows deleted in one transaction.
const BATCH: i64 = 500;

/// Minutes for which a chunk may be without a row.
const IN_FLIGHT: u64 = 60;

/// How often one batch is tried again because one of its units came into use meanwhile.
const ATTEMPTS: u32 = 5;

/// Removes orphans that have not been of interest for some time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cleanup {
    /// Only these units; all if absent.
    pub content: Option<Vec<Uuid>>,
    /// Leave alone what was touched within so many minutes.
    pub protection_minutes: u64,
}

impl Task for Cleanup {
    const NAME: &'static str = "pulpcore.app.tasks.orphan.orphan_cleanup";

    fn resources(&self) -> Resources {
        let orphans = Prn::literal(format!("pdrn:{}:orphans", domain::DEFAULT));
        Resources::none().exclusive(orphans)
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let before = minutes_ago(self.protection_minutes);
        let artifacts = match &self.content {
            Some(content) => Some(artifacts_of(&cx, content).await?),
            None => None,
        };
        let values: [Value; 4] =
            [cx.domain().into(), before.into(), BATCH.into(), self.content.clone().into()];
        clean(&cx, "Clean up orphan Content", "clean-up.content", CONTENT, values).await?;
        let values: [Value; 4] = [cx.domain().into(), before.into(), BATCH.into(), artifacts.into()];
        clean(&cx, "Clean up orphan Artifacts", "clean-up.artifacts", ARTIFACTS, values).await?;
        let age = cx.pulp().settings.worker_ttl * 2;
        tombstone::collect(cx.pulp(), chrono::Duration::from_std(age)?).await?;
        Ok(())
    }
}

/// Deletes files of the artifact store that were never finished and have not been written to for some time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FileCleanup {
    /// Leave alone what was written to within so many minutes.
    pub protection_minutes: u64,
}

impl Task for FileCleanup {
    const NAME: &'static str = "pulpcore.app.tasks.orphan.tmpfile_cleanup";

    fn resources(&self) -> Resources {
        Resources::none()
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let mut progress = cx.progress("Clean up unfinished files", "clean-up.tmpfiles", None).await?;
        let age = Utc::now() - minutes_ago(self.protection_minutes);
        progress.advance(cx.pulp().storage.sweep_staging(age).await? as u64).await?;
        // A chunk has no row yet while its file is being written.
        let before = minutes_ago(self.protection_minutes.max(IN_FLIGHT));
        progress.advance(upload::sweep_unknown(cx.pulp(), before).await?).await?;
        progress.finish().await
    }
}

const CONTENT: &str = "
    DELETE FROM content WHERE pulp_id IN (
        SELECT pulp_id FROM content
        WHERE pulp_domain_id = $1 AND timestamp_of_interest < $2 AND ($4::uuid[] IS NULL OR pulp_id = ANY($4))
          AND NOT EXISTS (SELECT FROM repository_content held WHERE held.content_id = content.pulp_id)
          AND NOT EXISTS (SELECT FROM content_artifact file JOIN published_artifact
                          ON published_artifact.content_artifact_id = file.pulp_id
                          WHERE file.content_id = content.pulp_id)
        LIMIT $3 FOR UPDATE SKIP LOCKED)";

const ARTIFACTS: &str = "
    WITH gone AS (
        DELETE FROM artifact WHERE pulp_id IN (
            SELECT pulp_id FROM artifact
            WHERE pulp_domain_id = $1 AND timestamp_of_interest < $2
              AND ($4::uuid[] IS NULL OR pulp_id = ANY($4))
              AND NOT EXISTS (SELECT FROM content_artifact WHERE artifact_id = artifact.pulp_id)
              AND NOT EXISTS (SELECT FROM published_metadata WHERE artifact_id = artifact.pulp_id)
            LIMIT $3 FOR UPDATE SKIP LOCKED)
        RETURNING pulp_domain_id, sha256, file)
    INSERT INTO artifact_tombstone (pulp_domain_id, sha256, file) SELECT * FROM gone
    ON CONFLICT (pulp_domain_id, sha256) DO UPDATE SET pulp_created = clock_timestamp()";

#[derive(FromQueryResult)]
struct Held {
    artifact_id: Uuid,
}

/// The artifacts of named units: of all orphans, only those may go with them.
async fn artifacts_of(cx: &TaskContext, content: &[Uuid]) -> anyhow::Result<Vec<Uuid>> {
    let sql = "SELECT DISTINCT artifact_id FROM content_artifact
               WHERE content_id = ANY($1) AND artifact_id IS NOT NULL";
    let held = Held::find_by_statement(db::sql(sql, [content.to_vec().into()])).all(&cx.pulp().db).await?;
    Ok(held.into_iter().map(|held| held.artifact_id).collect())
}

async fn clean<const N: usize>(
    cx: &TaskContext,
    message: &str,
    code: &str,
    sql: &str,
    values: [Value; N],
) -> anyhow::Result<()> {
    let mut progress = cx.progress(message, code, None).await?;
    let mut conflicts = 0;
    loop {
        let txn = cx.begin().await?;
        let deleted = match txn.execute_raw(db::sql(sql, values.clone())).await {
            Ok(result) => result.rows_affected(),
            Err(error) => match error.sql_err() {
                Some(SqlErr::ForeignKeyConstraintViolation(_)) if conflicts < ATTEMPTS => {
                    conflicts += 1;
                    continue;
                }
                _ => return Err(error.into()),
            },
        };
        txn.commit().await?;
        progress.advance(deleted).await?;
        if deleted == 0 {
            return progress.finish().await;
        }
    }
}
