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

const REPLACE: &str = "
    UPDATE repository_content AS old SET version_removed = $2
    FROM repository_content AS added
    JOIN file_content AS new ON new.content_id = added.content_id
    JOIN file_content AS same ON same.pulp_domain_id = $3 AND same.relative_path = new.relative_path
    WHERE added.repository_id = $1 AND added.version_added = $2 AND added.version_removed IS NULL
      AND old.repository_id = $1 AND old.version_removed IS NULL AND old.version_added < $2
      AND old.content_id = same.content_id";

const INSIDE_A_FILE: &str = "
    SELECT file.relative_path AS path
    FROM repository_content AS added
    JOIN file_content AS new ON new.content_id = added.content_id
    CROSS JOIN LATERAL string_to_array(new.relative_path, '/') AS segments
    CROSS JOIN LATERAL generate_series(1, cardinality(segments) - 1) AS depth
    JOIN file_content AS file ON file.pulp_domain_id = $3
        AND file.relative_path = array_to_string(segments[:depth], '/') COLLATE \"C\"
    JOIN repository_content AS present ON present.repository_id = $1 AND present.version_removed IS NULL
        AND present.content_id = file.content_id
    WHERE added.repository_id = $1 AND added.version_added = $2 AND added.version_removed IS NULL
    LIMIT 1";

/// '0' is the byte after '/': the range holds what lies below the path.
const AROUND_A_FILE: &str = "
    SELECT new.relative_path AS path
    FROM repository_content AS added
    JOIN file_content AS new ON new.content_id = added.content_id
    JOIN file_content AS inside ON inside.pulp_domain_id = $3
        AND inside.relative_path > new.relative_path || '/' AND inside.relative_path < new.relative_path || '0'
    JOIN repository_content AS present ON present.repository_id = $1 AND present.version_removed IS NULL
        AND present.content_id = inside.content_id
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
