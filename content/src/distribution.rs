//! From a path to the distribution that serves it, with one query, and past its content guard.

use entities::{Result, db, domain};
use sea_orm::FromQueryResult;
use serde_json::Value;
use uuid::Uuid;

use crate::context::Context;
use crate::{Services, guard, path};

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
    /// Private, so that only [`find`] makes a distribution, after the content guard was asked.
    pass_through: bool,
    /// Where to fetch what is missing (A21).
    pub remote: Option<Uuid>,
}

/// Takes the domain and the possible base paths.
const DISTRIBUTION: &str = "
    SELECT d.pulp_id, d.pulp_domain_id, d.pulp_type, d.base_path, d.details, d.remote_id,
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
    remote_id: Option<Uuid>,
    publication_id: Option<Uuid>,
    pass_through: Option<bool>,
    repository_id: Option<Uuid>,
    number: Option<i32>,
}

/// The distribution with the longest base path that a path starts with (A05).
///
/// This is the only way to a [`Distribution`], and everything that sends bytes of one needs it: here its
/// guard is asked.
///
/// # Errors
/// If its content guard refuses the client, or the database is away.
pub(crate) async fn find(cx: &Context, services: &Services, path: &str) -> Result<Option<Distribution>> {
    let statement = db::sql(DISTRIBUTION, [domain::DEFAULT.into(), path::base_paths(path).into()]);
    let Some(row) = Row::find_by_statement(statement).one(&cx.pulp.db).await? else { return Ok(None) };
    let below = path[row.base_path.len()..].trim_start_matches('/');
    guard::check(&services.guards, cx, (&row.base_path, below), &row.details).await?;
    let unpublished = !services.needs_publication(&row.pulp_type);
    Ok(Some(Distribution {
        id: row.pulp_id,
        domain: row.pulp_domain_id,
        pulp_type: row.pulp_type,
        base_path: row.base_path,
        details: row.details,
        publication: row.publication_id,
        version: row.repository_id.zip(row.number),
        pass_through: row.pass_through.unwrap_or(unpublished),
        remote: row.remote_id,
    }))
}

impl Distribution {
    /// The values of `$1`, `$2` and `$3` in queries for its files: publication, repository, number. A null
    /// finds nothing.
    pub(crate) fn scope(&self) -> [sea_orm::Value; 3] {
        let version = self.version.filter(|_| self.pass_through);
        [
            self.publication.into(),
            version.map(|(repository, _)| repository).into(),
            version.map(|(_, number)| number).into(),
        ]
    }
}
