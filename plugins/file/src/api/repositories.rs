//! Repositories of files, their versions, and sync (C19).

use std::sync::Arc;

use ::api::endpoint::Media;
use ::api::field::{Boolean, Field, Mode, Reference, Values, request_component};
use ::api::resource::sharing;
use ::api::view::Details;
use ::api::views::repositories::{self, Repositories, Row};
use ::api::views::versions;
use ::api::{Endpoint, Reader, Request, Resource, Response, resource};
use ::entities::{Error, Id, Result, remote, repository};
use http::Method;
use sea_orm::{ColumnTrait, QueryFilter};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::details::{MANIFEST, RepositoryDetails};
use crate::kinds;
use crate::tasks::synchronize::Synchronize;

/// What is special to repositories of files.
#[derive(Debug, Serialize, ToSchema)]
struct FileRepository {
    autopublish: bool,
    manifest: Option<String>,
    /// What the last sync did.
    last_sync_details: Value,
}

impl Details<Row> for FileRepository {
    fn of(row: &Row, _reader: &Reader<'_>) -> Result<FileRepository> {
        let RepositoryDetails { autopublish, manifest } = RepositoryDetails::of(&row.repository)?;
        Ok(FileRepository {
            autopublish,
            manifest,
            last_sync_details: row.repository.last_sync_details.clone(),
        })
    }
}

type Files = Arc<Resource<Repositories<FileRepository>>>;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut repositories: Resource<Repositories<FileRepository>> = repositories::resource(&kinds::REPOSITORY);
    repositories.fields.extend([
        Field::new("autopublish", Boolean).default(false).detail(),
        Field::text("manifest").nullable().default(MANIFEST).detail(),
    ]);
    let repositories = Arc::new(repositories);
    let mut endpoints = vec![
        resource::list(&repositories),
        resource::create(&repositories),
        resource::read(&repositories),
        resource::destroy_in_task(&repositories),
        repositories::modify(&repositories),
        sync(&repositories),
    ];
    endpoints.extend(resource::updates_in_task(&repositories));
    endpoints.extend(resource::labels(&repositories));
    endpoints.extend(versions::of(&kinds::REPOSITORY));
    endpoints
}

fn sync_fields() -> [Field; 3] {
    [
        Field::argument("remote", Reference::<remote::Entity>::of(&kinds::REMOTE)),
        Field::argument("mirror", Boolean).default(false),
        Field::argument("optimize", Boolean).default(true),
    ]
}

fn sync(repositories: &Files) -> Endpoint {
    let handler = sharing(repositories, async |repositories: Files, request: Request| {
        run(&repositories, request).await
    });
    repositories
        .action(Method::POST, "sync/", "sync", repositories.permission("sync"), handler)
        .summary("Mirror a remote into a new version of a file repository")
        .body(Media::Fields, request_component("FileRepositorySyncURL", &sync_fields(), Mode::Whole))
        .answer_task()
}

async fn run(
    repositories: &Resource<Repositories<FileRepository>>,
    mut request: Request,
) -> Result<Response> {
    let repository = repositories.find(&request).await?;
    let form = request.fields().await?;
    let values = Values::read(&request.reader(), &sync_fields(), &form, Mode::Whole).await?;
    let remote = match values.id::<remote::Entity>("remote") {
        Some(remote) => remote,
        None => own_remote(&request, &repository).await?,
    };
    if values.is_true("mirror") && RepositoryDetails::of(&repository)?.autopublish {
        // Both would publish the new version.
        return Err(Error::object("Cannot use mirror mode with autopublished repository."));
    }
    let (mirror, optimize) = (values.is_true("mirror"), values.is_true("optimize"));
    let (repository, remote) = (repository.pulp_id, remote.key());
    request.dispatch(&Synchronize { repository, remote, mirror, optimize }).await
}

/// The repository's own remote, which may be of another plugin.
async fn own_remote(request: &Request, repository: &repository::Model) -> Result<Id<remote::Entity>> {
    use remote::Column;
    let Some(own) = repository.remote_id else {
        let message = "This field is required since a remote is not set on the repository.";
        return Err(Error::field("remote", message));
    };
    let remote = request.scope.first(request.db(), |rows| {
        rows.filter(Column::PulpId.eq(own)).filter(Column::PulpType.eq(kinds::PULP_TYPE))
    });
    remote.await?.ok_or_else(|| Error::field("remote", "The repository's remote is not a file remote."))
}
