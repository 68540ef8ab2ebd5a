//! What a running sync has declared, kept in a table and not in memory: what a mirror does not drop.

use entities::db;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use crate::version::Draft;
use crate::{FencedTransaction, TaskContext};

/// Units removed at a time.
const BATCH: i64 = 5000;

const NOTE: &str = "
    INSERT INTO sync_unit (task_id, content_id) SELECT $1, * FROM unnest($2::uuid[]) ON CONFLICT DO NOTHING";

const UNLISTED: &str = "
    SELECT content_id FROM repository_content AS present
    WHERE repository_id = $1 AND version_removed IS NULL AND content_id > $3
      AND NOT EXISTS (SELECT FROM sync_unit
                      WHERE task_id = $2 AND content_id = present.content_id OFFSET 0)
    ORDER BY content_id LIMIT $4";

const FORGET_ENDED: &str = "
    DELETE FROM sync_unit AS unit
    WHERE NOT EXISTS (SELECT FROM task WHERE pulp_id = unit.task_id AND finished_at IS NULL)";

const FORGET: &str = "DELETE FROM sync_unit WHERE task_id = $1";

#[derive(Debug, FromQueryResult)]
struct Unlisted {
    content_id: Uuid,
}

/// Notes units of a sync.
pub(super) async fn note(txn: &FencedTransaction, task: Uuid, units: Vec<Uuid>) -> anyhow::Result<()> {
    txn.execute_raw(db::sql(NOTE, [task.into(), units.into()])).await?;
    Ok(())
}

/// Removes what this sync did not declare.
pub(super) async fn remove_unlisted(cx: &TaskContext, draft: &mut Draft) -> anyhow::Result<()> {
    let mut progress = cx.progress("Un-Associating Content", "unassociating.content", None).await?;
    let repository = draft.repository().pulp_id;
    let mut last = Uuid::nil();
    loop {
        let values = [repository.into(), cx.task_id().into(), last.into(), BATCH.into()];
        let rows = Unlisted::find_by_statement(db::sql(UNLISTED, values)).all(&cx.pulp().db).await?;
        let units: Vec<Uuid> = rows.into_iter().map(|row| row.content_id).collect();
        let Some(greatest) = units.last() else {
            return progress.finish().await;
        };
        last = *greatest;
        draft.remove(&units).await?;
        progress.advance(units.len() as u64).await?;
    }
}

/// Forgets the units of syncs that are no longer running: a task that died leaves its own.
pub(super) async fn forget_ended(cx: &TaskContext) -> anyhow::Result<()> {
    cx.pulp().db.execute_raw(db::sql(FORGET_ENDED, [])).await?;
    Ok(())
}

/// Forgets the units of this sync.
pub(super) async fn forget(cx: &TaskContext) -> anyhow::Result<()> {
    cx.pulp().db.execute_raw(db::sql(FORGET, [cx.task_id().into()])).await?;
    Ok(())
}
