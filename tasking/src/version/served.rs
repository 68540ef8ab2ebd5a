//! Versions that are served: what would take them offline has to ask here first (C15, C16).

use entities::db;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

/// The name of a distribution.
#[derive(Debug, FromQueryResult)]
struct Serving {
    name: String,
}

const BY: &str = "
    SELECT min(distribution) AS name FROM served_versions($1) WHERE version_id = $2 HAVING count(*) > 0";

/// The name of a distribution that serves a version of a repository: itself, a publication of it, or the
/// repository as a whole.
///
/// # Errors
/// If the database is away.
pub async fn served_by(
    db: &impl ConnectionTrait,
    repository: Uuid,
    version: Uuid,
) -> entities::Result<Option<String>> {
    let statement = db::sql(BY, [repository.into(), version.into()]);
    Ok(Serving::find_by_statement(statement).one(db).await?.map(|serving| serving.name))
}
