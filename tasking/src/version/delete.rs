//! Deletion of versions: the other versions keep their content to the unit.

use entities::db;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{counts, join_by_hashing, rows};
use crate::{FencedTransaction, TaskContext};

/// What decides whether a version can go, and where its changes go.
#[derive(Debug, FromQueryResult)]
struct Surroundings {
    /// Complete versions of the repository.
    versions: i64,
    /// The number of the next complete version.
    successor: Option<i32>,
    /// The name of a distribution that serves the version.
    served_by: Option<String>,
}

/// The number of a version.
#[derive(Debug, FromQueryResult)]
struct Numbered {
    number: i32,
}

const SURROUNDINGS: &str = "
    SELECT (SELECT count(*) FROM repository_version WHERE repository_id = $1 AND complete) AS versions,
           (SELECT min(number) FROM repository_version
            WHERE repository_id = $1 AND number > $2 AND complete) AS successor,
           (SELECT min(distribution.name) FROM distribution
            LEFT JOIN publication ON publication.pulp_id = distribution.publication_id
            WHERE distribution.repository_version_id = $3
               OR publication.repository_version_id = $3) AS served_by";

const BEYOND_RETENTION: &str = "
    SELECT number FROM repository_version AS old
    WHERE repository_id = $1 AND complete
      AND NOT EXISTS (SELECT FROM distribution
                      LEFT JOIN publication ON publication.pulp_id = distribution.publication_id
                      WHERE distribution.repository_version_id = old.pulp_id
                         OR publication.repository_version_id = old.pulp_id)
      AND number NOT IN (SELECT number FROM repository_version
                         WHERE repository_id = $1 AND complete ORDER BY number DESC LIMIT $2)
    ORDER BY number";

/// Deletes a version and folds its changes into the next one (C15). A deleted latest number is not used again
/// (C10).
///
/// # Errors
/// If it is the last one left, or a distribution serves it or a publication of it.
pub async fn delete(cx: &TaskContext, repository: Uuid, number: i32) -> anyhow::Result<()> {
    let version = rows::numbered(cx, repository, number).await?;
    let txn = cx.begin().await?;
    let values = [repository.into(), number.into(), version.pulp_id.into()];
    let Some(around) = Surroundings::find_by_statement(db::sql(SURROUNDINGS, values)).one(&*txn).await?
    else {
        anyhow::bail!("the repository {repository} no longer exists");
    };
    anyhow::ensure!(
        around.versions > 1,
        "version {number} is the last one of its repository and cannot be deleted"
    );
    if let Some(name) = around.served_by {
        anyhow::bail!("version {number} is served by the distribution '{name}' and cannot be deleted");
    }
    match around.successor {
        Some(successor) => fold(&txn, repository, number, successor).await?,
        None => undo(&txn, repository, number).await?,
    }
    let sql = "DELETE FROM repository_version WHERE pulp_id = $1";
    txn.execute_raw(db::sql(sql, [version.pulp_id.into()])).await?;
    if let Some(successor) = around.successor {
        let counts = counts::of(&*txn, repository, successor).await?;
        let sql =
            "UPDATE repository_version SET content_counts = $3 WHERE repository_id = $1 AND number = $2";
        let values = [repository.into(), successor.into(), counts.to_json().into()];
        txn.execute_raw(db::sql(sql, values)).await?;
    }
    txn.commit().await
}

/// Moves the changes of a version into its successor. A unit that comes and goes between the two leaves no
/// trace; one that goes and comes back never went.
async fn fold(txn: &FencedTransaction, repository: Uuid, number: i32, successor: i32) -> anyhow::Result<()> {
    let values = [repository.into(), number.into(), successor.into()];
    join_by_hashing(txn).await?;
    for sql in [
        "DELETE FROM repository_content
         WHERE repository_id = $1 AND version_added = $2 AND version_removed = $3",
        "WITH back AS (
             DELETE FROM repository_content AS later USING repository_content AS earlier
             WHERE earlier.repository_id = $1 AND earlier.version_removed = $2
               AND later.repository_id = $1 AND later.version_added = $3
               AND later.content_id = earlier.content_id
             RETURNING later.content_id, later.version_removed)
         UPDATE repository_content SET version_removed = back.version_removed FROM back
         WHERE repository_content.repository_id = $1 AND repository_content.version_removed = $2
           AND repository_content.content_id = back.content_id",
        "UPDATE repository_content SET version_added = $3 WHERE repository_id = $1 AND version_added = $2",
        "UPDATE repository_content SET version_removed = $3
         WHERE repository_id = $1 AND version_removed = $2",
    ] {
        txn.execute_raw(db::sql(sql, values.clone())).await?;
    }
    Ok(())
}

/// Takes back the changes of the latest version.
async fn undo(txn: &FencedTransaction, repository: Uuid, number: i32) -> anyhow::Result<()> {
    let values = [repository.into(), number.into()];
    for sql in [
        "DELETE FROM repository_content WHERE repository_id = $1 AND version_added = $2",
        "UPDATE repository_content SET version_removed = NULL
         WHERE repository_id = $1 AND version_removed = $2",
    ] {
        txn.execute_raw(db::sql(sql, values.clone())).await?;
    }
    Ok(())
}

/// Deletes the oldest versions beyond the number the repository keeps (C16), except those that are served.
pub async fn retain(cx: &TaskContext, repository: Uuid) -> anyhow::Result<()> {
    let Some(keep) = rows::repository(cx, repository).await?.retain_repo_versions else {
        return Ok(());
    };
    let statement = db::sql(BEYOND_RETENTION, [repository.into(), i64::from(keep).into()]);
    for version in Numbered::find_by_statement(statement).all(&cx.pulp().db).await? {
        delete(cx, repository, version.number).await?;
    }
    Ok(())
}
