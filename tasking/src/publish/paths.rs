//! The paths of a publication: each is that of one file, and none is both a file and a directory.

use entities::db;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::FencedTransaction;

#[derive(Debug, FromQueryResult)]
struct Path {
    relative_path: String,
}

const TWICE: &str = "
    SELECT relative_path FROM published_metadata AS generated
    CROSS JOIN LATERAL (
        SELECT FROM published_artifact
        WHERE publication_id = $1 AND relative_path = generated.relative_path OFFSET 0) AS same
    WHERE publication_id = $1 LIMIT 1";

/// '0' is the byte after '/': the range holds what lies below the path.
const NESTED: &str = "
    SELECT file.relative_path
    FROM (SELECT relative_path FROM published_artifact WHERE publication_id = $1
          UNION ALL SELECT relative_path FROM published_metadata WHERE publication_id = $1) AS file
    CROSS JOIN LATERAL (
        (SELECT FROM published_artifact
         WHERE publication_id = $1 AND relative_path > file.relative_path || '/'
           AND relative_path < file.relative_path || '0' LIMIT 1)
        UNION ALL
        (SELECT FROM published_metadata
         WHERE publication_id = $1 AND relative_path > file.relative_path || '/'
           AND relative_path < file.relative_path || '0' LIMIT 1)) AS inside
    LIMIT 1";

/// Files of the content that a pass-through publication serves under their own paths, where a generated file
/// has the path of one, or of a directory above or below it.
const IN_THE_WAY: &str = "
    SELECT generated.relative_path
    FROM (SELECT relative_path, ARRAY(
              SELECT array_to_string(segments[:depth], '/') COLLATE \"C\"
              FROM string_to_array(relative_path, '/') AS segments
              CROSS JOIN LATERAL generate_series(1, cardinality(segments)) AS depth) AS itself_and_above
          FROM published_metadata WHERE publication_id = $1) AS generated
    CROSS JOIN LATERAL (
        (SELECT content_id FROM content_artifact WHERE relative_path = ANY (generated.itself_and_above))
        UNION ALL
        (SELECT content_id FROM content_artifact
         WHERE relative_path > generated.relative_path || '/'
           AND relative_path < generated.relative_path || '0')) AS file
    CROSS JOIN LATERAL (
        SELECT FROM publication
        JOIN repository_version AS version ON version.pulp_id = publication.repository_version_id
        JOIN repository_content AS member ON member.repository_id = version.repository_id
        WHERE publication.pulp_id = $1 AND publication.pass_through AND member.content_id = file.content_id
          AND member.version_added <= version.number
          AND (member.version_removed IS NULL OR member.version_removed > version.number) OFFSET 0) AS present
    LIMIT 1";

/// Refuses a publication whose files stand in each other's way.
pub(super) async fn check(txn: &FencedTransaction, publication: Uuid) -> anyhow::Result<()> {
    if let Some(path) = first(txn, TWICE, publication).await? {
        anyhow::bail!("two files of the publication have the same path {path:?}");
    }
    if let Some(path) = first(txn, NESTED, publication).await? {
        anyhow::bail!("the path {path:?} of the publication is a file and, for another file, a directory");
    }
    if let Some(path) = first(txn, IN_THE_WAY, publication).await? {
        anyhow::bail!(
            "the generated file {path:?} of the publication stands in the way of a file of the content"
        );
    }
    Ok(())
}

async fn first(txn: &FencedTransaction, sql: &str, publication: Uuid) -> anyhow::Result<Option<String>> {
    let found = Path::find_by_statement(db::sql(sql, [publication.into()])).one(&**txn).await?;
    Ok(found.map(|path| path.relative_path))
}
