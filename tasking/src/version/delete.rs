//! Deletion of versions: the other versions keep their content to the unit.

use entities::db;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{counts, join_by_hashing, rows, served_by};
use crate::{FencedTransaction, TaskContext};

/// What decides whether a version can go, and where its changes go.
#[derive(Debug, FromQueryResult)]
struct Surroundings {
    /// Complete versions of the repository.
    versions: i64,
    /// The number of the next complete version.
    successor: Option<i32>,
}

const SURROUNDINGS: &str = "
    SELECT (SELECT count(*) FROM repository_version WHERE repository_id = $1 AND complete) AS versions,
           (SELECT min(number) FROM repository_version
            WHERE repository_id = $1 AND number > $2 AND complete) AS successor";

/// Deletes a version and folds its changes into the next one (C15). A deleted latest number is not used again
/// (C10).
///
/// # Errors
/// If it is the last one left, or a distribution serves it ([`served_by`]).
pub async fn delete(cx: &TaskContext, repository: Uuid, number: i32) -> anyhow::Result<()> {
    let version = rows::numbered(cx, repository, number).await?;
    let txn = cx.begin().await?;
    let values = [repository.into(), number.into()];
    let Some(around) = Surroundings::find_by_statement(db::sql(SURROUNDINGS, values)).one(&*txn).await?
    else {
        anyhow::bail!("the repository {repository} no longer exists");
    };
    anyhow::ensure!(
        around.versions > 1,
        "version {number} is the last one of its repository and cannot be deleted"
    );
    if let Some(name) = served_by(&*txn, repository, version.pulp_id).await? {
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
