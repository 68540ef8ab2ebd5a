//! The rows that tasks on repositories begin with.

use anyhow::Context;
use entities::{repository, repository_version};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::TaskContext;

/// The repository that a task has locked, in the domain of the task.
///
/// # Errors
/// If it no longer exists.
pub async fn repository(cx: &TaskContext, id: Uuid) -> anyhow::Result<repository::Model> {
    let repository = repository::Entity::find_by_id(id)
        .filter(repository::Column::PulpDomainId.eq(cx.domain()))
        .one(&cx.pulp().db)
        .await?;
    repository.with_context(|| format!("the repository {id} no longer exists"))
}

/// A complete version by its number.
///
/// # Errors
/// If it no longer exists.
pub async fn numbered(
    cx: &TaskContext,
    repository: Uuid,
    number: i32,
) -> anyhow::Result<repository_version::Model> {
    let version = repository_version::Entity::find()
        .filter(repository_version::Column::RepositoryId.eq(repository))
        .filter(repository_version::Column::Number.eq(number))
        .filter(repository_version::Column::Complete.eq(true))
        .one(&cx.pulp().db)
        .await?;
    version.with_context(|| format!("version {number} of the repository {repository} no longer exists"))
}

/// A complete version by its id.
///
/// # Errors
/// If it no longer exists.
pub async fn complete(cx: &TaskContext, id: Uuid) -> anyhow::Result<repository_version::Model> {
    let version = repository_version::Entity::find_by_id(id).one(&cx.pulp().db).await?;
    let version = version.filter(|version| version.complete);
    version.with_context(|| format!("{} no longer exists", entities::kind::REPOSITORY_VERSION.prn(id)))
}
