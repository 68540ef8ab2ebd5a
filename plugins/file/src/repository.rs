//! What is special to repositories of files: paths are unique in a version, and new versions may be published.

use ::entities::{Kind, db, repository_version};
use anyhow::Context;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sea_orm::{ConnectionTrait, Value};
use tasking::version::Draft;
use tasking::{FencedTransaction, RepositoryType, TaskContext};

use crate::details::RepositoryDetails;
use crate::{kinds, tasks};

/// The rules of file repositories.
pub(crate) struct FileRepository;

impl RepositoryType for FileRepository {
    fn kind(&self) -> &'static Kind {
        &kinds::REPOSITORY
    }

    fn settle<'a>(
        &'a self,
        txn: &'a FencedTransaction,
        draft: &'a Draft,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        settle(txn, draft).boxed()
    }

    fn completed<'a>(
        &'a self,
        cx: &'a TaskContext,
        version: &'a repository_version::Model,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        completed(cx, version).boxed()
    }
}

/// One path, one unit (C13): an added unit takes the place of an older one; two added ones, or a file where another
/// has a directory, are an error. The cost grows with what is added, not with the repository.
async fn settle(txn: &FencedTransaction, draft: &Draft) -> anyhow::Result<()> {
    let repository = draft.repository();
    let values: [Value; 3] =
        [repository.pulp_id.into(), draft.number().into(), repository.pulp_domain_id.into()];
    if let Some(path) = first_path(txn, ADDED_TWICE, values.clone()).await? {
        anyhow::bail!("two of the added files have the same path {path:?}");
    }
    txn.execute_raw(db::sql(REPLACE, values.clone())).await?;
    for sql in [INSIDE_A_FILE, AROUND_A_FILE] {
        if let Some(path) = first_path(txn, sql, values.clone()).await? {
            anyhow::bail!("the path {path:?} is a file and, for another file of the version, a directory");
        }
    }
    Ok(())
}

async fn first_path(
    txn: &FencedTransaction,
    sql: &str,
    values: [Value; 3],
) -> anyhow::Result<Option<String>> {
    let row = txn.query_one_raw(db::sql(sql, values)).await?;
    Ok(row.map(|row| row.try_get("", "path")).transpose()?)
}

const ADDED_TWICE: &str = "
    SELECT relative_path AS path FROM repository_content JOIN file_content USING (content_id)
    WHERE repository_id = $1 AND version_added = $2 AND version_removed IS NULL AND pulp_domain_id = $3
    GROUP BY relative_path HAVING count(*) > 1 ORDER BY relative_path LIMIT 1";

// The planner knows nothing of rows that this very transaction has written, and guesses a quadratic plan. OFFSET 0
// keeps each of these look-ups what it is: one step into an index.

const REPLACE: &str = "
    WITH replaced AS MATERIALIZED (
        SELECT old.content_id
        FROM repository_content AS added
        JOIN file_content AS new USING (content_id)
        CROSS JOIN LATERAL (
            SELECT content_id FROM file_content
            WHERE pulp_domain_id = $3 AND relative_path = new.relative_path OFFSET 0) AS same
        CROSS JOIN LATERAL (
            SELECT content_id FROM repository_content
            WHERE repository_id = $1 AND content_id = same.content_id
              AND version_removed IS NULL AND version_added < $2 OFFSET 0) AS old
        WHERE added.repository_id = $1 AND added.version_added = $2 AND added.version_removed IS NULL)
    UPDATE repository_content SET version_removed = $2 FROM replaced
    WHERE repository_id = $1 AND version_removed IS NULL AND repository_content.content_id = replaced.content_id";

const INSIDE_A_FILE: &str = "
    WITH directory AS MATERIALIZED (
        SELECT DISTINCT array_to_string(segments[:depth], '/') COLLATE \"C\" AS path
        FROM repository_content AS added
        JOIN file_content AS new USING (content_id)
        CROSS JOIN LATERAL string_to_array(new.relative_path, '/') AS segments
        CROSS JOIN LATERAL generate_series(1, cardinality(segments) - 1) AS depth
        WHERE added.repository_id = $1 AND added.version_added = $2 AND added.version_removed IS NULL)
    SELECT directory.path
    FROM directory
    CROSS JOIN LATERAL (
        SELECT content_id FROM file_content
        WHERE pulp_domain_id = $3 AND relative_path = directory.path OFFSET 0) AS file
    CROSS JOIN LATERAL (
        SELECT FROM repository_content
        WHERE repository_id = $1 AND content_id = file.content_id AND version_removed IS NULL OFFSET 0) AS present
    LIMIT 1";

/// '0' is the byte after '/': the range holds what lies below the path.
const AROUND_A_FILE: &str = "
    SELECT new.relative_path AS path
    FROM repository_content AS added
    JOIN file_content AS new USING (content_id)
    CROSS JOIN LATERAL (
        SELECT content_id FROM file_content
        WHERE pulp_domain_id = $3 AND relative_path > new.relative_path || '/'
          AND relative_path < new.relative_path || '0' OFFSET 0) AS inside
    CROSS JOIN LATERAL (
        SELECT FROM repository_content
        WHERE repository_id = $1 AND content_id = inside.content_id AND version_removed IS NULL OFFSET 0) AS present
    WHERE added.repository_id = $1 AND added.version_added = $2 AND added.version_removed IS NULL
    LIMIT 1";

async fn completed(cx: &TaskContext, version: &repository_version::Model) -> anyhow::Result<()> {
    let repository = tasking::tasks::repository::find(cx, version.repository_id).await?;
    let details: RepositoryDetails =
        serde_json::from_value(repository.details).context("the details of the repository cannot be read")?;
    if details.autopublish {
        tasks::publish::publish(cx, version, details.manifest, false).await?;
    }
    Ok(())
}
