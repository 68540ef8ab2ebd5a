//! Files: list, read, create from a file, an artifact, an upload or a URL (P08, C06).

use std::sync::Arc;

use ::api::endpoint::Media;
use ::api::field::{Field, Mode, Values};
use ::api::view::Link;
use ::api::views::content::{self, Common, files};
use ::api::{Endpoint, Reader, Request, Resource, Response, View, filter, resource};
use ::entities::checksum::Algorithm;
use ::entities::content::{Column, Entity, Model};
use ::entities::{Error, Result};
use sea_orm::{EntityTrait, FromQueryResult, JoinType, QuerySelect, Select};
use serde::Serialize;
use utoipa::ToSchema;

use crate::entities::file_content;
use crate::kinds;
use crate::manifest::check_path;
use crate::tasks::create_content::CreateContent;

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
    let mut endpoints = content::operations(&files);
    endpoints.push(
        resource::creation(&files, Media::Files, create)
            .summary("Create a file content unit from an upload, an artifact or a URL")
            .answer_task(),
    );
    endpoints
}

fn resource() -> Resource<Files> {
    let mut filters = content::filters();
    filters.extend(filter::names("relative_path", file_content::Column::RelativePath));
    filters.extend(filter::texts("sha256", file_content::Column::Sha256, &[""]));
    filters.extend(filter::texts("digest", file_content::Column::Sha256, &[""]));
    let mut fields = content::creation_fields(&kinds::REPOSITORY);
    fields.push(Field::text("relative_path").required());
    Resource { fields, filters, ..Resource::new(&kinds::CONTENT) }
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

async fn create(files: Arc<Resource<Files>>, mut request: Request) -> Result<Response> {
    let mut form = request.form().await?;
    let values = Values::read(&request.reader(), &files.fields, &form, Mode::Whole).await?;
    let relative_path = values.text("relative_path").unwrap_or_default().to_owned();
    check_path(&relative_path).map_err(|error| Error::field("relative_path", error.to_string()))?;
    let creation = content::creation_of(&request, &values, &mut form).await?;
    request.dispatch(&CreateContent { relative_path, creation }).await
}
