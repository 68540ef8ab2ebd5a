//! Creation of a publication: a task publishes a version (C22).

use std::sync::Arc;

use entities::{Id, Kind, repository, repository_version as version};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
use tasking::Task;
use tasking::publish::Publishing;

use super::{Publications, Row};
use crate::endpoint::Media;
use crate::field::{Mode, Values};
use crate::resource::{self, Resource};
use crate::view::Details;
use crate::{Endpoint, Error, Request, Result};

/// The operation for a type of publication and the kind of its repositories. `task` makes the plugin's task
/// of the version and the fields of the request; it may refuse them for a reason of its own.
pub fn creation<D: Details<Row>, T: Task + Sync>(
    publications: &Arc<Resource<Publications<D>>>,
    repositories: &'static Kind,
    task: fn(Publishing, &Values) -> Result<T>,
) -> Endpoint {
    let handler = move |publications: Arc<Resource<Publications<D>>>, mut request: Request| async move {
        let form = request.fields().await?;
        let values = Values::read(&request.reader(), &publications.fields, &form, Mode::Whole).await?;
        let publishing = version_of(&request, &values, repositories).await?;
        request.dispatch(&task(publishing, &values)?).await
    };
    resource::creation(publications, Media::Fields, handler)
        .summary(format!("Publish a version of {}", repositories.a_noun()))
        .answer_task()
}

/// The repository and the version that a new publication is of: exactly one of both is given (C22).
///
/// # Errors
/// If none or both are given, or the repository is not of this kind.
async fn version_of(request: &Request, values: &Values, kind: &Kind) -> Result<Publishing> {
    let repository: Option<Id<repository::Entity>> = values.id("repository");
    let given: Option<Id<version::Entity>> = values.id("repository_version");
    let condition = match (repository, given) {
        (Some(repository), None) => version::Column::RepositoryId.eq(repository.key()),
        (None, Some(version)) => version::Column::PulpId.eq(version.key()),
        (None, None) => {
            return Err(Error::object(
                "Either the 'repository' or 'repository_version' need to be specified",
            ));
        }
        (Some(_), Some(_)) => {
            let message =
                "Either the 'repository' or 'repository_version' need to be specified but not both.";
            return Err(Error::object(message));
        }
    };
    let versions = request.scope.rows::<version::Entity>().filter(condition);
    let row = versions
        .filter(version::Column::Complete.eq(true))
        .filter(repository::Column::PulpType.eq(kind.pulp_type.unwrap_or_default()))
        .order_by_desc(version::Column::Number)
        .one(request.db())
        .await?;
    let row = row.ok_or_else(|| Error::object(format!("The repository is not one of {}.", kind.path)))?;
    Ok(Publishing { repository: row.repository_id, version: row.pulp_id })
}
