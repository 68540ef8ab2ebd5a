//! Versions of files, ready to be served with their manifest (C22).

use std::sync::Arc;

use ::api::endpoint::Media;
use ::api::field::{Boolean, Field, Mode, Values, request_component};
use ::api::resource::sharing;
use ::api::view::{Details, Link};
use ::api::views::publications::{self, Publications, Row};
use ::api::{Endpoint, Reader, Request, Resource, Response, resource};
use ::entities::{Error, Result};
use http::Method;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::details::{MANIFEST, PublicationDetails};
use crate::kinds;
use crate::tasks::publish::Publish;

/// What is special to publications of files.
#[derive(Debug, Serialize, ToSchema)]
struct FilePublication {
    distributions: Vec<Link>,
    manifest: Option<String>,
    checkpoint: bool,
}

impl Details<Row> for FilePublication {
    fn of(row: &Row, _reader: &Reader<'_>) -> Result<FilePublication> {
        let PublicationDetails { manifest } = PublicationDetails::of(&row.publication)?;
        let checkpoint = row.publication.checkpoint;
        Ok(FilePublication { distributions: row.distributions(), manifest, checkpoint })
    }
}

type Files = Resource<Publications<FilePublication>>;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut publications: Files = publications::resource(&kinds::PUBLICATION);
    publications.fields.extend([
        Field::text("manifest").nullable().default(MANIFEST).detail(),
        Field::new("checkpoint", Boolean),
    ]);
    let publications = Arc::new(publications);
    vec![
        resource::list(&publications),
        resource::read(&publications),
        creation(&publications),
        resource::destroy(&publications),
    ]
}

fn creation(publications: &Arc<Files>) -> Endpoint {
    let handler = sharing(publications, async |publications: Arc<Files>, request: Request| {
        create(&publications, request).await
    });
    Endpoint::new(
        Method::POST,
        publications.path.clone(),
        "publications_file_file_create",
        publications.tag.clone(),
        publications.permission("add"),
        handler,
    )
    .summary("Publish a version of a file repository")
    .body(Media::Fields, request_component(&publications.schema, &publications.fields, Mode::Whole))
    .answer_task()
}

async fn create(publications: &Files, mut request: Request) -> Result<Response> {
    let form = request.fields().await?;
    let values = Values::read(&request.reader(), &publications.fields, &form, Mode::Whole).await?;
    let (repository, version) = publications::version_of(&request, &values, &kinds::REPOSITORY).await?;
    let manifest = values.text("manifest").map(str::to_owned);
    let checkpoint = values.is_true("checkpoint");
    if checkpoint && values.get("repository").is_none_or(Value::is_null) {
        // A checkpoint is of the present state of a repository (A30).
        return Err(Error::field("checkpoint", "A checkpoint is made of a 'repository', not of a version."));
    }
    request.dispatch(&Publish { repository, version, manifest, checkpoint }).await
}
