//! Repositories of files, their versions, and sync (C19).

use std::sync::Arc;

use ::api::endpoint::Media;
use ::api::field::{Field, Shape, Values, write_component};
use ::api::request::AsyncOperationResponse;
use ::api::schema::Component;
use ::api::views::{repositories, versions};
use ::api::{Endpoint, Request, Response, Viewset, viewset};
use ::entities::{Error, Result, db};
use http::{Method, StatusCode};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::details::MANIFEST;
use crate::kinds;
use crate::tasks::synchronize::Synchronize;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut repositories = repositories::viewset(Viewset::new(
        &kinds::REPOSITORY,
        "repositories_file_file",
        "file.FileRepository",
        "Repositories: File",
        "file_file_repository_href",
    ));
    repositories.fields.extend([
        Field::new("autopublish", Shape::Boolean).default(false).detail(),
        Field::text("manifest").nullable().default(MANIFEST).detail(),
        Field::shown("last_sync_details", Shape::Any, "t.last_sync_details"),
    ]);
    let repositories = Arc::new(repositories);
    let mut endpoints = vec![
        viewset::list(&repositories),
        viewset::create(&repositories),
        viewset::read(&repositories),
        viewset::destroy(&repositories),
        repositories::modify(&repositories),
        sync(&repositories),
    ];
    endpoints.extend(viewset::updates(&repositories));
    endpoints.extend(viewset::labels(&repositories));
    endpoints.extend(versions::of(
        &kinds::REPOSITORY,
        "repositories_file_file_versions",
        "Repositories: File Versions",
        "file_file_repository_version_href",
        "{file_file_repository_href}versions/",
    ));
    endpoints
}

fn sync_fields() -> [Field; 3] {
    [
        Field::argument("remote", Shape::Object(&kinds::REMOTE)),
        Field::argument("mirror", Shape::Boolean).default(false),
        Field::argument("optimize", Shape::Boolean).default(true),
    ]
}

fn sync(repositories: &Arc<Viewset>) -> Endpoint {
    let shared = repositories.clone();
    let handler = move |request: Request| {
        let repositories = shared.clone();
        async move { run(&repositories, request).await }
    };
    repositories
        .action(Method::POST, "sync/", "sync", handler)
        .summary("Mirrors a remote into a new version.")
        .body(Media::Fields, write_component("FileRepositorySyncURL", &sync_fields(), false))
        .answer(StatusCode::ACCEPTED, Component::of::<AsyncOperationResponse>())
}

async fn run(repositories: &Viewset, mut request: Request) -> Result<Response> {
    let repository = request.id()?;
    let row = viewset::find(repositories, &request, repository).await?;
    let form = request.fields().await?;
    let values = Values::read(&request.context, request.domain(), &sync_fields(), &form).await?;
    let own = row.get("remote_id").and_then(|id| id.as_str()?.parse().ok());
    let remote = match (values.id("remote"), own) {
        (Some(remote), _) => remote,
        (None, Some(remote)) => check_own(&request, remote).await?,
        (None, None) => {
            let message = "This field is required since a remote is not set on the repository.";
            return Err(Error::field("remote", message));
        }
    };
    let (mirror, optimize) = (values.is_true("mirror"), values.is_true("optimize"));
    request.dispatch(&Synchronize { repository, remote, mirror, optimize }).await
}

/// The repository's own remote may be of another plugin.
async fn check_own(request: &Request, remote: Uuid) -> Result<Uuid> {
    let sql = "SELECT 1 AS found FROM remote WHERE pulp_id = $1 AND pulp_type = $2";
    let values = [remote.into(), kinds::PULP_TYPE.into()];
    match request.context.pulp.db.query_one_raw(db::sql(sql, values)).await? {
        Some(_) => Ok(remote),
        None => Err(Error::field("remote", "The remote of the repository is no file remote.")),
    }
}
