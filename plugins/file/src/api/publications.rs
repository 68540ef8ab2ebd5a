//! Versions of files, ready to be served with their manifest (C22).

use std::sync::Arc;

use ::api::endpoint::Media;
use ::api::field::{Field, Shape, Values, write_component};
use ::api::request::AsyncOperationResponse;
use ::api::schema::Component;
use ::api::views::publications;
use ::api::{Endpoint, Request, Response, Viewset, viewset};
use ::entities::Result;
use http::{Method, StatusCode};

use crate::details::MANIFEST;
use crate::kinds;
use crate::tasks::publish::Publish;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut publications = publications::viewset(Viewset::new(
        &kinds::PUBLICATION,
        "publications_file_file",
        "file.FilePublication",
        "Publications: File",
        "file_file_publication_href",
    ));
    publications.fields.push(Field::text("manifest").nullable().default(MANIFEST).detail());
    publications.fields.push(Field::new("checkpoint", Shape::Boolean));
    let publications = Arc::new(publications);
    vec![
        viewset::list(&publications),
        viewset::read(&publications),
        creation(&publications),
        publications::deletion(&publications),
    ]
}

fn creation(publications: &Arc<Viewset>) -> Endpoint {
    let shared = publications.clone();
    let handler = move |request: Request| {
        let publications = shared.clone();
        async move { create(&publications, request).await }
    };
    let body = write_component(publications.schema, &publications.fields, false);
    Endpoint::new(
        Method::POST,
        publications.path.clone(),
        "publications_file_file_create",
        publications.tag,
        handler,
    )
    .summary("Publishes a version.")
    .body(Media::Fields, body)
    .answer(StatusCode::ACCEPTED, Component::of::<AsyncOperationResponse>())
}

async fn create(publications: &Viewset, mut request: Request) -> Result<Response> {
    let form = request.fields().await?;
    let values = Values::read(&request.context, request.domain(), &publications.fields, &form).await?;
    let (repository, version) = publications::version_of(&request, &values, &kinds::REPOSITORY).await?;
    let manifest = values.text("manifest").map(str::to_owned);
    let checkpoint = values.is_true("checkpoint");
    request.dispatch(&Publish { repository, version, manifest, checkpoint }).await
}
