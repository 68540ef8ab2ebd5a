//! The rows that tasks on repositories begin with.

use anyhow::Context;
use entities::{repository, repository_version};
use sea_orm::{ColumnTrait, QueryFilter};
use uuid::Uuid;

use crate::TaskContext;

/// The repository that a task has locked, in the domain of the task.
///
/// # Errors
/// If it no longer exists.
pub async fn repository(cx: &TaskContext, id: Uuid) -> anyhow::Result<repository::Model> {
    let repository = cx.scope().find::<repository::Entity>(&cx.pulp().db, id).await?;
    repository.with_context(|| format!("the repository {id} no longer exists"))
}

/// A complete version by its number, in the domain of the task.
///
/// # Errors
/// If it no longer exists.
pub async fn numbered(
    cx: &TaskContext,
    repository: Uuid,
    number: i32,
) -> anyhow::Result<repository_version::Model> {
    let version = cx
        .scope()
        .rows::<repository_version::Entity>()
        .filter(repository_version::Column::RepositoryId.eq(repository))
        .filter(repository_version::Column::Number.eq(number))
        .filter(repository_version::Column::Complete.eq(true))
        .one(&cx.pulp().db)
        .await?;
    version.with_context(|| format!("version {number} of the repository {repository} no longer exists"))
}

/// A complete version by its id, in the domain of the task.
///
/// # Errors
/// If it no longer exists.
pub async fn complete(cx: &TaskContext, id: Uuid) -> anyhow::Result<repository_version::Model> {
    let version = cx.scope().find::<repository_version::Entity>(&cx.pulp().db, id).await?;
    let version = version.filter(|version| version.complete);
    version.with_context(|| format!("{} no longer exists", entities::kind::REPOSITORY_VERSION.prn(id)))
}
