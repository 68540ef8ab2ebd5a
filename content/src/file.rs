//! Files: of a distribution or a content unit, found with one query each, and sent.

use chrono::{DateTime, Utc};
use entities::{Pulp, Result, db};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::conditions::Known;
use crate::context::Context;
use crate::respond::{self, Stored};
use crate::{Distribution, Response, on_demand};

/// What is behind a path of a distribution.
#[derive(Debug, FromQueryResult)]
pub(crate) struct File {
    /// The file of a content unit; `None` for a file that the publication made itself.
    pub content_artifact_id: Option<Uuid>,
    /// Storage path, if the bytes are stored.
    pub file: Option<String>,
    pub size: Option<i64>,
    pub sha256: Option<String>,
    pub pulp_created: Option<DateTime<Utc>>,
}

/// Takes the scope of the distribution and the path.
const PUBLISHED: &str = "
    SELECT content_artifact_id, a.file, a.size, a.sha256, a.pulp_created
    FROM (
        SELECT 1 AS priority, ca.pulp_id AS content_artifact_id, ca.artifact_id
        FROM published_artifact pa JOIN content_artifact ca ON ca.pulp_id = pa.content_artifact_id
        WHERE pa.publication_id = $1 AND pa.relative_path = $4
        UNION ALL
        SELECT 2, NULL, pm.artifact_id FROM published_metadata pm
        WHERE pm.publication_id = $1 AND pm.relative_path = $4
        UNION ALL
        SELECT 3, ca.pulp_id, ca.artifact_id
        FROM content_artifact ca JOIN repository_content rc ON rc.content_id = ca.content_id
        WHERE ca.relative_path = $4 AND rc.repository_id = $2
          AND rc.version_added <= $3 AND (rc.version_removed IS NULL OR rc.version_removed > $3)
    ) found
    LEFT JOIN artifact a ON a.pulp_id = found.artifact_id
    ORDER BY priority LIMIT 1";

/// Takes the domain, the unit and the path.
const OF_UNIT: &str = "
    SELECT ca.pulp_id AS content_artifact_id, a.file, a.size, a.sha256, a.pulp_created
    FROM content_artifact ca
    JOIN content c ON c.pulp_id = ca.content_id
    LEFT JOIN artifact a ON a.pulp_id = ca.artifact_id
    WHERE c.pulp_domain_id = $1 AND ca.content_id = $2 AND ca.relative_path = $3";

/// The file at a path: published, or else passed through from the version (A06).
pub(crate) async fn published(pulp: &Pulp, distribution: &Distribution, path: &str) -> Result<Option<File>> {
    let [publication, repository, number] = distribution.scope();
    let statement = db::sql(PUBLISHED, [publication, repository, number, path.into()]);
    Ok(File::find_by_statement(statement).one(&pulp.db).await?)
}

/// A file of a content unit.
pub(crate) async fn of_unit(pulp: &Pulp, domain: Uuid, content: Uuid, path: &str) -> Result<Option<File>> {
    let statement = db::sql(OF_UNIT, [domain.into(), content.into(), path.into()]);
    Ok(File::find_by_statement(statement).one(&pulp.db).await?)
}

/// Sends a file, from the artifact store or a remote. `None` if no remote has it. The name at the end of
/// `path` gives the media type.
pub(crate) async fn respond(cx: &Context, domain: Uuid, path: &str, file: File) -> Result<Option<Response>> {
    match (file.file, file.content_artifact_id) {
        (Some(place), _) => {
            let known = Known {
                sha256: file.sha256,
                modified: file.pulp_created.map(Into::into),
                size: file.size.and_then(|size| size.try_into().ok()),
            };
            Ok(Some(respond::stored(cx, path, &Stored { file: place, known }).await?))
        }
        (None, Some(content_artifact)) => on_demand::respond(cx, domain, path, content_artifact).await,
        (None, None) => Ok(None),
    }
}
