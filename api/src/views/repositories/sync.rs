//! `sync`: a new version with what a remote has (C19).

use std::sync::Arc;

use entities::{Id, Kind, remote, repository};
use http::Method;
use sea_orm::{ColumnTrait, QueryFilter};
use tasking::Task;
use tasking::sync::Synchronization;

use super::{Repositories, Row};
use crate::endpoint::Media;
use crate::field::{Boolean, Field, Mode, Reference, Values, request_component};
use crate::resource::{Resource, sharing};
use crate::view::Details;
use crate::{Endpoint, Error, Request, Response, Result};

/// The operation for a type of repository and the kind of its remotes. `task` makes the plugin's task of what
/// was asked for; it may refuse that for a reason of its own.
pub fn sync<D: Details<Row>, T: Task + Sync>(
    repositories: &Arc<Resource<Repositories<D>>>,
    remotes: &'static Kind,
    task: fn(&repository::Model, Synchronization) -> Result<T>,
) -> Endpoint {
    let repository = repositories.kind;
    let model = repository.name.rsplit('.').next().unwrap_or_default();
    let schema = request_component(&format!("{model}SyncURL"), &fields(remotes), Mode::Whole);
    let handler = sharing(repositories, move |repositories: Arc<Resource<Repositories<D>>>, request| {
        run(repositories, remotes, task, request)
    });
    repositories
        .action(Method::POST, "sync/", "sync", repositories.permission("sync"), handler)
        .summary(format!("Mirror a remote into a new version of {}", repository.a_noun()))
        .body(Media::Fields, schema)
        .answer_task()
}

fn fields(remotes: &'static Kind) -> [Field; 3] {
    [
        Field::argument("remote", Reference::<remote::Entity>::of(remotes)),
        Field::argument("mirror", Boolean).default(false),
        Field::argument("optimize", Boolean).default(true),
    ]
}

async fn run<D: Details<Row>, T: Task + Sync>(
    repositories: Arc<Resource<Repositories<D>>>,
    remotes: &'static Kind,
    task: fn(&repository::Model, Synchronization) -> Result<T>,
    mut request: Request,
) -> Result<Response> {
    let repository = repositories.find(&request).await?;
    let form = request.fields().await?;
    let values = Values::read(&request.reader(), &fields(remotes), &form, Mode::Whole).await?;
    let remote = match values.id::<remote::Entity>("remote") {
        Some(remote) => remote,
        None => own_remote(&request, &repository, remotes).await?,
    };
    let synchronization = Synchronization {
        repository: repository.pulp_id,
        remote: remote.key(),
        mirror: values.is_true("mirror"),
        optimize: values.is_true("optimize"),
    };
    request.dispatch(&task(&repository, synchronization)?).await
}

/// The repository's own remote, which may be of another plugin.
async fn own_remote(
    request: &Request,
    repository: &repository::Model,
    remotes: &Kind,
) -> Result<Id<remote::Entity>> {
    use remote::Column;
    let Some(own) = repository.remote_id else {
        let message = "This field is required since a remote is not set on the repository.";
        return Err(Error::field("remote", message));
    };
    let remote = request.scope.first(request.db(), |rows| {
        rows.filter(Column::PulpId.eq(own)).filter(Column::PulpType.eq(remotes.type_name()))
    });
    let wrong = || format!("The repository's remote is not {}.", remotes.a_noun());
    remote.await?.ok_or_else(|| Error::field("remote", wrong()))
}
