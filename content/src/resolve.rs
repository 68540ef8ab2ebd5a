//! From a path to the distribution and from there to the file, with one query each.

use chrono::{DateTime, Utc};
use entities::{Pulp, Result, db};
use sea_orm::FromQueryResult;
use serde_json::Value;
use uuid::Uuid;

use crate::{ContentPlugin, path};

/// A distribution and what it serves at this moment.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// Its id.
    pub id: Uuid,
    /// Its domain.
    pub domain: Uuid,
    /// Its type, such as `file.file`.
    pub pulp_type: String,
    /// Its base path.
    pub base_path: String,
    /// What is special to its type.
    pub details: Value,
    /// The publication it serves: its own, or the newest complete one of its version or repository (A07).
    pub publication: Option<Uuid>,
    /// The repository and the number of the version that it serves.
    pub version: Option<(Uuid, i32)>,
    /// Whether the content of that version is served under its own paths.
    pub pass_through: bool,
}

/// Takes the domain and the possible base paths.
const DISTRIBUTION: &str = "
    SELECT d.pulp_id, d.pulp_domain_id, d.pulp_type, d.base_path, d.details,
           p.pulp_id AS publication_id, p.pass_through, v.repository_id, v.number
    FROM (SELECT * FROM distribution WHERE pulp_domain_id = $1 AND base_path = ANY($2)
          ORDER BY length(base_path) DESC LIMIT 1) d
    LEFT JOIN LATERAL (
        SELECT p.pulp_id, p.pass_through, p.repository_version_id FROM publication p
        WHERE p.pulp_id = d.publication_id AND p.complete
        UNION ALL
        (SELECT p.pulp_id, p.pass_through, p.repository_version_id FROM publication p
         WHERE p.repository_version_id = d.repository_version_id AND p.complete
         ORDER BY p.pulp_created DESC LIMIT 1)
        UNION ALL
        (SELECT p.pulp_id, p.pass_through, p.repository_version_id
         FROM repository_version v JOIN publication p ON p.repository_version_id = v.pulp_id
         WHERE v.repository_id = d.repository_id AND v.complete AND p.complete
         ORDER BY v.number DESC, p.pulp_created DESC LIMIT 1)
    ) p ON true
    LEFT JOIN LATERAL (
        SELECT v.repository_id, v.number FROM repository_version v
        WHERE v.pulp_id = coalesce(p.repository_version_id, d.repository_version_id) AND v.complete
        UNION ALL
        (SELECT v.repository_id, v.number FROM repository_version v
         WHERE p.pulp_id IS NULL AND v.repository_id = d.repository_id AND v.complete
         ORDER BY v.number DESC LIMIT 1)
    ) v ON true";

#[derive(FromQueryResult)]
struct Row {
    pulp_id: Uuid,
    pulp_domain_id: Uuid,
    pulp_type: String,
    base_path: String,
    details: Value,
    publication_id: Option<Uuid>,
    pass_through: Option<bool>,
    repository_id: Option<Uuid>,
    number: Option<i32>,
}

/// The distribution with the longest base path that a path starts with (A05).
pub(crate) async fn distribution(
    pulp: &Pulp,
    domain: Uuid,
    path: &str,
    plugins: &[&'static dyn ContentPlugin],
) -> Result<Option<Distribution>> {
    let statement = db::sql(DISTRIBUTION, [domain.into(), path::base_paths(path).into()]);
    let Some(row) = Row::find_by_statement(statement).one(&pulp.db).await? else { return Ok(None) };
    let unpublished = plugin(plugins, &row.pulp_type).is_some_and(|plugin| !plugin.needs_publication());
    Ok(Some(Distribution {
        id: row.pulp_id,
        domain: row.pulp_domain_id,
        pulp_type: row.pulp_type,
        base_path: row.base_path,
        details: row.details,
        publication: row.publication_id,
        version: row.repository_id.zip(row.number),
        pass_through: row.pass_through.unwrap_or(unpublished),
    }))
}

/// The plugin that answers for a type of distributions.
pub(crate) fn plugin(
    plugins: &[&'static dyn ContentPlugin],
    pulp_type: &str,
) -> Option<&'static dyn ContentPlugin> {
    plugins.iter().copied().find(|plugin| plugin.distribution_types().contains(&pulp_type))
}

impl Distribution {
    /// The values of `$1`, `$2` and `$3` in queries for its files: publication, repository, number. A null finds
    /// nothing.
    pub(crate) fn scope(&self) -> [sea_orm::Value; 3] {
        let version = self.version.filter(|_| self.pass_through);
        [
            self.publication.into(),
            version.map(|(repository, _)| repository).into(),
            version.map(|(_, number)| number).into(),
        ]
    }
}

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
const FILE: &str = "
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

/// The file at a path: published, or else passed through from the version (A06).
pub(crate) async fn file(pulp: &Pulp, distribution: &Distribution, path: &str) -> Result<Option<File>> {
    let [publication, repository, number] = distribution.scope();
    let statement = db::sql(FILE, [publication, repository, number, path.into()]);
    Ok(File::find_by_statement(statement).one(&pulp.db).await?)
}
