//! The keys of a version (C13): an added unit takes the place of an older one with the same key; two added
//! ones, or a file where another unit has a directory, are an error. The cost grows with what is added, not
//! with the repository.
//!
//! The planner knows nothing of rows that this very transaction has written, and guesses a quadratic plan.
//! `OFFSET 0` keeps each of these look-ups what it is: one step into an index.

use entities::db;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};
use uuid::Uuid;

use crate::FencedTransaction;
use crate::repository_type::RepositoryKey;
use crate::version::Draft;

/// The values of a key's columns.
#[derive(Debug, FromQueryResult)]
struct Values {
    key: Vec<String>,
}

/// Settles one key of a draft.
pub(super) async fn settle(
    txn: &FencedTransaction,
    draft: &Draft,
    key: &RepositoryKey,
) -> anyhow::Result<()> {
    let pulp_type = key.content.kind.type_name();
    let repository = draft.repository();
    let values: [Value; 3] =
        [repository.pulp_id.into(), draft.number().into(), repository.pulp_domain_id.into()];
    if let Some(same) = first(txn, &added_twice(key), values.clone()).await? {
        anyhow::bail!("two of the added {pulp_type} units have the same {}", describe(key, &same));
    }
    if draft.overwrites() {
        txn.execute_raw(db::sql(&replace(key), values.clone())).await?;
    } else if let Some(same) = first(txn, &first_replaced(key), values.clone()).await? {
        let same = describe(key, &same);
        anyhow::bail!(
            "the repository has a {pulp_type} unit with the {same} already, and is not to overwrite it"
        );
    }
    let column = key.columns.first().filter(|_| key.is_path);
    for sql in column.into_iter().flat_map(|column| [inside_a_file(key, column), around_a_file(key, column)])
    {
        if let Some(path) = first(txn, &sql, values.clone()).await? {
            anyhow::bail!("{} is a file and, for another unit, a directory", describe(key, &path));
        }
    }
    Ok(())
}

/// Refuses two units of one key that a sync has both declared, of which the repository had one before: the
/// other one would take its place.
pub(super) async fn refuse_listed_twice(
    txn: &FencedTransaction,
    draft: &Draft,
    key: &RepositoryKey,
    task: Uuid,
) -> anyhow::Result<()> {
    let repository = draft.repository();
    let values: [Value; 4] =
        [repository.pulp_id.into(), draft.number().into(), repository.pulp_domain_id.into(), task.into()];
    if let Some(same) = first(txn, &listed_twice(key), values).await? {
        let pulp_type = key.content.kind.type_name();
        anyhow::bail!("the remote lists two {pulp_type} units with the same {}", describe(key, &same));
    }
    Ok(())
}

async fn first<const N: usize>(
    txn: &FencedTransaction,
    sql: &str,
    values: [Value; N],
) -> anyhow::Result<Option<Vec<String>>> {
    let found = Values::find_by_statement(db::sql(sql, values)).one(&**txn).await?;
    Ok(found.map(|values| values.key))
}

/// The key as a user reads it, such as `relative_path "a/b"`.
fn describe(key: &RepositoryKey, values: &[String]) -> String {
    let pairs: Vec<String> =
        key.columns.iter().zip(values).map(|(column, value)| format!("{column} {value:?}")).collect();
    pairs.join(", ")
}

/// An array of the key's columns, for a person to read.
fn columns(key: &RepositoryKey, table: &str) -> String {
    let columns: Vec<String> = key.columns.iter().map(|column| format!("{table}.{column}::text")).collect();
    format!("ARRAY[{}] AS key", columns.join(", "))
}

/// The condition that two rows have the same key.
fn same(key: &RepositoryKey, left: &str, right: &str) -> String {
    let columns: Vec<String> =
        key.columns.iter().map(|column| format!("{left}.{column} = {right}.{column}")).collect();
    columns.join(" AND ")
}

fn added_twice(key: &RepositoryKey) -> String {
    let columns_of_new: Vec<String> = key.columns.iter().map(|column| format!("new.{column}")).collect();
    format!(
        "SELECT {key} FROM repository_content JOIN {table} AS new USING (content_id)
         WHERE repository_id = $1 AND version_added = $2 AND version_removed IS NULL AND pulp_domain_id = $3
         GROUP BY {group} HAVING count(*) > 1 ORDER BY {group} LIMIT 1",
        key = columns(key, "new"),
        table = key.content.table,
        group = columns_of_new.join(", "),
    )
}

/// Units of the base that have the key of an added one, `old` beside `new`.
fn replaced(key: &RepositoryKey) -> String {
    format!(
        "FROM repository_content AS added
         JOIN {table} AS new USING (content_id)
         CROSS JOIN LATERAL (
             SELECT content_id FROM {table} AS held
             WHERE pulp_domain_id = $3 AND {same} OFFSET 0) AS same
         CROSS JOIN LATERAL (
             SELECT content_id FROM repository_content
             WHERE repository_id = $1 AND content_id = same.content_id
               AND version_removed IS NULL AND version_added < $2 OFFSET 0) AS old",
        table = key.content.table,
        same = same(key, "held", "new"),
    )
}

fn replace(key: &RepositoryKey) -> String {
    format!(
        "WITH replaced AS MATERIALIZED (
             SELECT old.content_id {replaced}
             WHERE added.repository_id = $1 AND added.version_added = $2 AND added.version_removed IS NULL)
         UPDATE repository_content SET version_removed = $2 FROM replaced
         WHERE repository_id = $1 AND version_removed IS NULL
           AND repository_content.content_id = replaced.content_id",
        replaced = replaced(key),
    )
}

fn first_replaced(key: &RepositoryKey) -> String {
    format!(
        "SELECT {key} {replaced}
         WHERE added.repository_id = $1 AND added.version_added = $2 AND added.version_removed IS NULL
         LIMIT 1",
        key = columns(key, "new"),
        replaced = replaced(key),
    )
}

fn listed_twice(key: &RepositoryKey) -> String {
    format!(
        "SELECT {key} {replaced}
         CROSS JOIN LATERAL (
             SELECT FROM sync_unit WHERE task_id = $4 AND content_id = old.content_id OFFSET 0) AS listed
         WHERE added.repository_id = $1 AND added.version_added = $2 AND added.version_removed IS NULL
         LIMIT 1",
        key = columns(key, "new"),
        replaced = replaced(key),
    )
}

fn inside_a_file(key: &RepositoryKey, column: &str) -> String {
    format!(
        "WITH directory AS MATERIALIZED (
             SELECT DISTINCT array_to_string(segments[:depth], '/') COLLATE \"C\" AS path
             FROM repository_content AS added
             JOIN {table} AS new USING (content_id)
             CROSS JOIN LATERAL string_to_array(new.{column}, '/') AS segments
             CROSS JOIN LATERAL generate_series(1, cardinality(segments) - 1) AS depth
             WHERE added.repository_id = $1 AND added.version_added = $2 AND added.version_removed IS NULL)
         SELECT ARRAY[directory.path] AS key
         FROM directory
         CROSS JOIN LATERAL (
             SELECT content_id FROM {table}
             WHERE pulp_domain_id = $3 AND {column} = directory.path OFFSET 0) AS file
         CROSS JOIN LATERAL (
             SELECT FROM repository_content
             WHERE repository_id = $1 AND content_id = file.content_id
               AND version_removed IS NULL OFFSET 0) AS present
         LIMIT 1",
        table = key.content.table,
    )
}

/// '0' is the byte after '/': the range holds what lies below the path.
fn around_a_file(key: &RepositoryKey, column: &str) -> String {
    format!(
        "SELECT {key}
         FROM repository_content AS added
         JOIN {table} AS new USING (content_id)
         CROSS JOIN LATERAL (
             SELECT content_id FROM {table}
             WHERE pulp_domain_id = $3 AND {column} > new.{column} || '/' AND {column} < new.{column} || '0'
             OFFSET 0) AS inside
         CROSS JOIN LATERAL (
             SELECT FROM repository_content
             WHERE repository_id = $1 AND content_id = inside.content_id
               AND version_removed IS NULL OFFSET 0) AS present
         WHERE added.repository_id = $1 AND added.version_added = $2 AND added.version_removed IS NULL
         LIMIT 1",
        key = columns(key, "new"),
        table = key.content.table,
    )
}
