//! Files: list, read, create from a file, an artifact, an upload or a URL (P08, C06).

use std::sync::Arc;

use ::api::endpoint::Media;
use ::api::field::{Field, Shape, Values, identity, labels, write_component};
use ::api::request::AsyncOperationResponse;
use ::api::schema::Component;
use ::api::views::remotes::rules::check_url;
use ::api::views::{artifacts, content};
use ::api::{Endpoint, Request, Response, Viewset, filter, sql, viewset};
use ::entities::checksum::Algorithm;
use ::entities::{Error, Result};
use http::{Method, StatusCode};
use serde_json::Value;

use crate::tasks::create_content::{CreateContent, Source};
use crate::{kinds, manifest};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let files = Arc::new(viewset());
    let mut endpoints = vec![viewset::list(&files), viewset::read(&files), creation(&files)];
    endpoints.extend(viewset::labels(&files));
    endpoints
}

fn viewset() -> Viewset {
    let artifact = format!(
        "(SELECT {} FROM content_artifact AS c WHERE c.content_id = t.pulp_id LIMIT 1)",
        sql::related("artifact", "c.artifact_id")
    );
    let mut fields = identity("content");
    fields.push(labels());
    fields.push(Field::shown("artifact", Shape::Reference("artifact"), artifact));
    fields.push(Field {
        required: true,
        ..Field::shown("relative_path", Shape::Text(None), "f.relative_path")
    });
    fields.extend(
        Algorithm::ALL
            .map(|algorithm| Field::shown(algorithm.as_str(), Shape::Text(None), digest(algorithm))),
    );
    let mut filters = content::filters();
    filters.extend(filter::names("relative_path", "f.relative_path"));
    filters.extend(filter::texts("sha256", "f.sha256", &[""]));
    filters.extend(filter::texts("digest", "f.sha256", &[""]));
    let mut viewset = Viewset {
        fields,
        filters,
        from: "content AS t JOIN file_content AS f ON f.content_id = t.pulp_id".to_owned(),
        ..Viewset::new(
            &kinds::CONTENT,
            "content_file_files",
            "file.FileContent",
            "Content: Files",
            "file_file_content_href",
        )
    }
    .ordered_by(&[
        "pulp_created",
        "pulp_id",
        "pulp_labels",
        "pulp_last_updated",
        "pulp_type",
        "timestamp_of_interest",
    ]);
    viewset.orderings.push(("relative_path", "f.relative_path".into()));
    viewset.orderings.push(("digest", "f.sha256".into()));
    viewset
}

/// A digest of the bytes: of those we hold, else as the remote announces it.
fn digest(algorithm: Algorithm) -> String {
    match algorithm {
        Algorithm::Sha256 => "f.sha256".to_owned(),
        other => format!(
            "(SELECT coalesce(a.{name}, (SELECT max(r.{name}) FROM remote_artifact AS r
                                         WHERE r.content_artifact_id = c.pulp_id))
              FROM content_artifact AS c LEFT JOIN artifact AS a ON a.pulp_id = c.artifact_id
              WHERE c.content_id = t.pulp_id LIMIT 1)",
            name = other.as_str()
        ),
    }
}

fn fields() -> [Field; 7] {
    [
        Field::argument("repository", Shape::Object(&kinds::REPOSITORY)),
        Field { output: None, ..labels() },
        Field::argument("artifact", Shape::Reference("artifact")),
        Field::argument("relative_path", Shape::Text(None)).required(),
        Field::argument("file", Shape::File),
        Field::argument("upload", Shape::Reference("upload")),
        Field::argument("file_url", Shape::Text(None)),
    ]
}

fn creation(files: &Arc<Viewset>) -> Endpoint {
    Endpoint::new(Method::POST, files.path.clone(), "content_file_files_create", files.tag, create)
        .summary("Makes one of bytes that are uploaded, stored or to be downloaded.")
        .body(Media::Files, write_component(files.schema, &fields(), false))
        .answer(StatusCode::ACCEPTED, Component::of::<AsyncOperationResponse>())
}

async fn create(mut request: Request) -> Result<Response> {
    let mut form = request.form().await?;
    let values = Values::read(&request.context, request.domain(), &fields(), &form).await?;
    let relative_path = values.text("relative_path").unwrap_or_default().to_owned();
    manifest::check_path(&relative_path).map_err(|error| Error::field("relative_path", error.to_string()))?;
    let file = form.take_file("file");
    let given =
        [values.id("artifact").is_some(), values.id("upload").is_some(), values.text("file_url").is_some()];
    if given.into_iter().chain([file.is_some()]).filter(|given| *given).count() != 1 {
        let message = "Exactly one of 'file', 'artifact', 'upload' and 'file_url' has to be specified.";
        return Err(Error::object(message));
    }
    let source = match (file, values.id("artifact"), values.id("upload")) {
        (Some(staged), _, _) => Source::Artifact(artifacts::store(&request, staged).await?),
        (None, Some(artifact), _) => Source::Artifact(artifact),
        (None, None, Some(upload)) => Source::Upload(upload),
        (None, None, None) => {
            let url = values.text("file_url").unwrap_or_default();
            check_url("file_url", url, &request.context.pulp.settings.allowed_import_paths)?;
            Source::Url(url.to_owned())
        }
    };
    let pulp_labels = match values.get("pulp_labels") {
        Some(Value::Object(labels)) => labels.clone(),
        _ => serde_json::Map::new(),
    };
    let repository = values.id("repository");
    request
        .dispatch(&CreateContent {
            relative_path,
            source,
            expected: Default::default(),
            repository,
            pulp_labels,
        })
        .await
}
