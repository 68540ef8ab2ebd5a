//! Directories: of base paths, and of the files of a distribution (A04, A08, A09).

use std::sync::LazyLock;

use async_stream::try_stream;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use entities::{Pulp, Result, db};
use futures_util::StreamExt;
use sea_orm::FromQueryResult;
use uuid::Uuid;
use warp::Reply;

use crate::html::{self, Entry};
use crate::stream::BodyError;
use crate::{Distribution, Response, stream};

/// Entries of one query; bounds the memory of a listing.
const BATCH: usize = 1000;

/// Sorts after every path: in bytes, no UTF-8 character is greater.
const END: &str = "\u{10ffff}";

/// Takes the scope of a distribution, the position to start at, the end of the directory, the position of the
/// first character after the directory's own path, and the number of entries.
///
/// Each step of the recursion seeks the next path in the index and goes on behind it, or, if it lies in a
/// subdirectory, behind that: a directory costs as many steps as it has entries, whatever lies below them.
/// Paths compare by bytes, so `0`, which follows the slash, is behind everything in a subdirectory.
static ENTRIES: LazyLock<String> = LazyLock::new(|| {
    let next = |start: &str| {
        format!(
            "SELECT found.*, strpos(substr(relative_path, $6), '/') AS slash FROM (
                 (SELECT pa.relative_path, pa.content_artifact_id, NULL::uuid AS artifact_id
                  FROM published_artifact pa
                  WHERE pa.publication_id = $1 AND pa.relative_path >= {start} AND pa.relative_path < $5
                  ORDER BY pa.relative_path LIMIT 1)
                 UNION ALL
                 (SELECT pm.relative_path, NULL, pm.artifact_id FROM published_metadata pm
                  WHERE pm.publication_id = $1 AND pm.relative_path >= {start} AND pm.relative_path < $5
                  ORDER BY pm.relative_path LIMIT 1)
                 UNION ALL
                 (SELECT ca.relative_path, ca.pulp_id, NULL
                  FROM content_artifact ca JOIN repository_content rc ON rc.content_id = ca.content_id
                  WHERE ca.relative_path >= {start} AND ca.relative_path < $5 AND rc.repository_id = $2
                    AND rc.version_added <= $3 AND (rc.version_removed IS NULL OR rc.version_removed > $3)
                  ORDER BY ca.relative_path LIMIT 1)
             ) found ORDER BY relative_path LIMIT 1"
        )
    };
    let behind = "CASE WHEN e.slash > 0 THEN left(e.relative_path, $6 + e.slash - 2) || '0'
                       ELSE e.relative_path || chr(1) END";
    format!(
        "WITH RECURSIVE e AS (
             SELECT * FROM ({first}) AS first
             UNION ALL
             SELECT next.* FROM e CROSS JOIN LATERAL (SELECT {behind} AS start) AS behind
                            CROSS JOIN LATERAL ({following}) AS next
         )
         SELECT split_part(substr(relative_path, $6), '/', 1) AS name, slash > 0 AS directory, {behind} AS behind,
                coalesce(stored.size, CASE WHEN slash = 0 THEN
                    (SELECT max(size) FROM remote_artifact ra WHERE ra.content_artifact_id = e.content_artifact_id)
                END) AS size,
                stored.pulp_created AS modified
         FROM (SELECT * FROM e LIMIT $7) e
         LEFT JOIN LATERAL (
             SELECT a.size, a.pulp_created FROM artifact a
             WHERE slash = 0 AND a.pulp_id = coalesce(e.artifact_id,
                 (SELECT ca.artifact_id FROM content_artifact ca WHERE ca.pulp_id = e.content_artifact_id))
         ) stored ON true
         ORDER BY relative_path",
        first = next("$4"),
        following = next("behind.start"),
    )
});

#[derive(FromQueryResult)]
struct Row {
    name: String,
    directory: bool,
    behind: String,
    size: Option<i64>,
    modified: Option<DateTime<Utc>>,
}

/// A batch of entries, and where the next one starts.
type Batch = (Vec<Entry>, Option<String>);

/// The entries of a directory of a distribution. `directory` is empty or ends with a slash.
async fn batch(
    pulp: &Pulp,
    distribution: &Distribution,
    directory: &str,
    start: &str,
    limit: usize,
) -> Result<Batch> {
    let end = match directory.strip_suffix('/') {
        Some(name) => format!("{name}0"),
        None => END.to_owned(),
    };
    let position = i32::try_from(directory.chars().count() + 1).unwrap_or(i32::MAX);
    let [publication, repository, number] = distribution.scope();
    let values =
        [publication, repository, number, start.into(), end.into(), position.into(), (limit as i64).into()];
    let rows = Row::find_by_statement(db::sql(&ENTRIES, values)).all(&pulp.db).await?;
    let behind = rows.last().filter(|_| rows.len() == limit).map(|row| row.behind.clone());
    let entry =
        |row: Row| Entry { name: row.name, directory: row.directory, size: row.size, modified: row.modified };
    Ok((rows.into_iter().map(entry).collect(), behind))
}

/// Whether there is anything in a directory of a distribution.
pub(crate) async fn exists(pulp: &Pulp, distribution: &Distribution, directory: &str) -> Result<bool> {
    Ok(!batch(pulp, distribution, directory, directory, 1).await?.0.is_empty())
}

/// Lists a directory of a distribution, `None` if there is nothing in it. `title` is the path the user sees.
pub(crate) async fn of_distribution(
    pulp: &Pulp,
    distribution: &Distribution,
    directory: &str,
    title: &str,
) -> Result<Option<Response>> {
    let (mut entries, mut behind) = batch(pulp, distribution, directory, directory, BATCH).await?;
    if entries.is_empty() {
        return Ok(None);
    }
    let (pulp, distribution, directory) = (pulp.clone(), distribution.clone(), directory.to_owned());
    let mut html = html::head(title);
    let body = try_stream! {
        loop {
            for entry in &entries {
                html::line(&mut html, entry);
            }
            yield Bytes::from(std::mem::take(&mut html));
            let Some(start) = behind else { break };
            (entries, behind) =
                batch(&pulp, &distribution, &directory, &start, BATCH).await.map_err(BodyError::from)?;
        }
        yield Bytes::from_static(html::TAIL.as_bytes());
    };
    Ok(Some(as_html(stream::respond(body.boxed()))))
}

/// The names of one level of base paths. Takes the domain, where the directory begins and ends, and the
/// position of the first character after its own path.
const BASE_PATHS: &str = "
    SELECT DISTINCT split_part(substr(base_path, $4), '/', 1) AS name FROM distribution
    WHERE pulp_domain_id = $1 AND NOT hidden AND base_path >= $2 AND base_path < $3
    ORDER BY name";

#[derive(FromQueryResult)]
struct Name {
    name: String,
}

/// Lists the base paths below a directory, one level of them; `None` if there is none. `directory` is empty
/// or ends with a slash. Hidden distributions are left out.
pub(crate) async fn of_base_paths(
    pulp: &Pulp,
    domain: Uuid,
    directory: &str,
    title: &str,
) -> Result<Option<Response>> {
    let end = directory.strip_suffix('/').map_or_else(|| END.to_owned(), |name| format!("{name}0"));
    let position = i32::try_from(directory.chars().count() + 1).unwrap_or(i32::MAX);
    let values = [domain.into(), directory.into(), end.into(), position.into()];
    let rows = Name::find_by_statement(db::sql(BASE_PATHS, values)).all(&pulp.db).await?;
    if rows.is_empty() && !directory.is_empty() {
        return Ok(None);
    }
    let mut page = html::head(title);
    for Name { name } in rows {
        html::line(&mut page, &Entry { name, directory: true, size: None, modified: None });
    }
    page.push_str(html::TAIL);
    Ok(Some(warp::reply::html(page).into_response()))
}

fn as_html(mut response: Response) -> Response {
    let html = http::HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, html);
    response
}
