//! Retention: how many versions and checkpoints a repository keeps.

use entities::db;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{delete, rows};
use crate::TaskContext;

/// The number of a version.
#[derive(Debug, FromQueryResult)]
struct Numbered {
    number: i32,
}

/// A checkpoint is kept for its own sake, whether a distribution serves it or not.
const BEYOND_RETENTION: &str = "
    SELECT number FROM repository_version AS old
    WHERE repository_id = $1 AND complete
      AND NOT EXISTS (SELECT FROM publication
                      WHERE repository_version_id = old.pulp_id AND complete AND checkpoint)
      AND pulp_id NOT IN (SELECT version_id FROM served_versions($1))
      AND number NOT IN (SELECT number FROM repository_version
                         WHERE repository_id = $1 AND complete ORDER BY number DESC LIMIT $2)
    ORDER BY number";

const BEYOND_CHECKPOINTS: &str = "
    UPDATE publication SET checkpoint = false WHERE pulp_id IN (
        SELECT publication.pulp_id FROM publication
        JOIN repository_version AS version ON version.pulp_id = publication.repository_version_id
        WHERE version.repository_id = $1 AND publication.complete AND publication.checkpoint
        ORDER BY publication.pulp_created DESC OFFSET $2)";

/// Makes plain publications of the oldest checkpoints beyond the number that the repository keeps (C17), then
/// deletes the oldest versions beyond the number it keeps (C16). Versions that are served stay.
///
/// # Errors
/// If the task was canceled, or the database is away.
pub async fn retain(cx: &TaskContext, repository: Uuid) -> anyhow::Result<()> {
    let limits = rows::repository(cx, repository).await?;
    if let Some(keep) = limits.retain_checkpoints {
        let txn = cx.begin().await?;
        txn.execute_raw(db::sql(BEYOND_CHECKPOINTS, [repository.into(), i64::from(keep).into()])).await?;
        txn.commit().await?;
    }
    let Some(keep) = limits.retain_repo_versions else {
        return Ok(());
    };
    let statement = db::sql(BEYOND_RETENTION, [repository.into(), i64::from(keep).into()]);
    for version in Numbered::find_by_statement(statement).all(&cx.pulp().db).await? {
        delete(cx, repository, version.number).await?;
    }
    Ok(())
}
