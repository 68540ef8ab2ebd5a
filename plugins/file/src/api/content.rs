//! Files: list, read, create from a file, an artifact, an upload or a URL (P08, C06).

use std::sync::Arc;

use ::api::endpoint::Media;
use ::api::field::{Field, File, Mode, Reference, Values, request_component};
use ::api::view::Link;
use ::api::views::content::{Common, files};
use ::api::views::remotes::rules::check_url;
use ::api::views::{artifacts, content};
use ::api::{Endpoint, Reader, Request, Resource, Response, View, filter, resource};
use ::entities::checksum::Algorithm;
use ::entities::content::{Column, Entity, Model};
use ::entities::{Error, Result, artifact, repository, upload};
use http::Method;
use sea_orm::{EntityTrait, FromQueryResult, JoinType, QuerySelect, Select};
use serde::Serialize;
use serde_json::{Map, Value};
use tasking::relative_path;
use utoipa::ToSchema;

use crate::entities::file_content;
use crate::kinds;
use crate::tasks::create_content::{CreateContent, Source};

#[derive(Debug, FromQueryResult)]
struct Row {
    #[sea_orm(nested)]
    content: Model,
    relative_path: String,
    sha256: String,
}

/// A file as clients see it: digests are those of the stored bytes, else what the remote announces.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    #[serde(flatten)]
    common: Common,
    artifact: Option<Link>,
    relative_path: String,
    md5: Option<String>,
    sha1: Option<String>,
    sha224: Option<String>,
    sha256: String,
    sha384: Option<String>,
    sha512: Option<String>,
}

struct Files;

impl View for Files {
    type Entity = Entity;
    type Row = Row;
    type Body = Body;

    fn select(rows: Select<Entity>) -> Select<Entity> {
        rows.columns([file_content::Column::RelativePath, file_content::Column::Sha256])
    }

    async fn show(rows: Vec<Row>, reader: &Reader<'_>) -> Result<Vec<Body>> {
        let mut files = files(rows.iter().map(|row| row.content.pulp_id), reader).await?;
        let show = |row: Row| {
            let file = files.remove(&row.content.pulp_id).unwrap_or_default().into_iter().next();
            let artifact = file.as_ref().and_then(|file| file.link(reader));
            let digests = file.map(|file| file.digests).unwrap_or_default();
            let digest = |algorithm| digests.get(algorithm).map(str::to_owned);
            Body {
                common: Common::of(row.content, reader),
                artifact,
                relative_path: row.relative_path,
                md5: digest(Algorithm::Md5),
                sha1: digest(Algorithm::Sha1),
                sha224: digest(Algorithm::Sha224),
                sha256: row.sha256,
                sha384: digest(Algorithm::Sha384),
                sha512: digest(Algorithm::Sha512),
            }
        };
        Ok(rows.into_iter().map(show).collect())
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let files = Arc::new(resource());
    let mut endpoints = vec![resource::list(&files), resource::read(&files), creation(&files)];
    endpoints.extend(resource::labels(&files));
    endpoints
}

fn resource() -> Resource<Files> {
    let mut filters = content::filters();
    filters.extend(filter::names("relative_path", file_content::Column::RelativePath));
    filters.extend(filter::texts("sha256", file_content::Column::Sha256, &[""]));
    filters.extend(filter::texts("digest", file_content::Column::Sha256, &[""]));
    Resource { fields: fields(), filters, ..Resource::new(&kinds::CONTENT) }
        .with(|rows| {
            let details = Entity::belongs_to(file_content::Entity)
                .from(Column::PulpId)
                .to(file_content::Column::ContentId);
            rows.join(JoinType::InnerJoin, details.into())
        })
        .ordered_by([
            ("pulp_created", Column::PulpCreated),
            ("pulp_id", Column::PulpId),
            ("pulp_labels", Column::PulpLabels),
            ("pulp_last_updated", Column::PulpLastUpdated),
            ("pulp_type", Column::PulpType),
            ("timestamp_of_interest", Column::TimestampOfInterest),
        ])
        .ordered_by([
            ("digest", file_content::Column::Sha256),
            ("relative_path", file_content::Column::RelativePath),
        ])
}

fn fields() -> Vec<Field> {
    vec![
        Field::argument("repository", Reference::<repository::Entity>::of(&kinds::REPOSITORY)),
        Field::labels(),
        Field::argument("artifact", Reference::<artifact::Entity>::any()),
        Field::text("relative_path").required(),
        Field::argument("file", File),
        Field::argument("upload", Reference::<upload::Entity>::any()),
        Field::text("file_url"),
    ]
}

fn creation(files: &Resource<Files>) -> Endpoint {
    let operation = "content_file_files_create";
    Endpoint::new(
        Method::POST,
        files.path.clone(),
        operation,
        files.tag.clone(),
        files.permission("add"),
        create,
    )
    .summary("Create a file content unit from an upload, an artifact or a URL")
    .body(Media::Files, request_component(&files.schema, &files.fields, Mode::Whole))
    .answer_task()
}

async fn create(mut request: Request) -> Result<Response> {
    let mut form = request.form().await?;
    let values = Values::read(&request.reader(), &fields(), &form, Mode::Whole).await?;
    let relative_path = values.text("relative_path").unwrap_or_default().to_owned();
    relative_path::check(&relative_path).map_err(|error| Error::field("relative_path", error.to_string()))?;
    let source = match given(&values, form.take_file("file"))? {
        Given::File(staged) => Source::Artifact(artifacts::store(&request, staged).await?),
        Given::Stored(source) => source,
        Given::Url(url) => {
            check_url("file_url", &url, &request.context.pulp.settings.allowed_import_paths)?;
            Source::Url(url)
        }
    };
    let pulp_labels = values.get("pulp_labels").and_then(Value::as_object).cloned();
    request
        .dispatch(&CreateContent {
            relative_path,
            source,
            expected: Default::default(),
            repository: values.id::<repository::Entity>("repository").map(|id| id.key()),
            pulp_labels: pulp_labels.unwrap_or_else(Map::new),
        })
        .await
}

/// The one place where the bytes are.
enum Given {
    File(::entities::storage::Staged),
    Stored(Source),
    Url(String),
}

fn given(values: &Values, file: Option<::entities::storage::Staged>) -> Result<Given> {
    let artifact = values.id::<artifact::Entity>("artifact").map(|id| Source::Artifact(id.key()));
    let upload = values.id::<upload::Entity>("upload").map(|id| Source::Upload(id.key()));
    let url = values.text("file_url").map(str::to_owned);
    let all =
        [file.map(Given::File), artifact.map(Given::Stored), upload.map(Given::Stored), url.map(Given::Url)];
    let mut all = all.into_iter().flatten();
    match (all.next(), all.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(Error::object(
            "Exactly one of 'file', 'artifact', 'upload' and 'file_url' has to be specified.",
        )),
    }
}
