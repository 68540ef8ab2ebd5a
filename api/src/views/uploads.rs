//! Chunked uploads (P06, C04, C05).

mod chunks;

use std::sync::Arc;

use entities::upload::{self, Column, Deletion, Entity, Model};
use entities::{Id, db, kind, upload_chunk};
use http::{Method, StatusCode};
use sea_orm::QueryOrder;
use serde::Serialize;
use tasking::tasks::upload::Commit;
use utoipa::ToSchema;

use crate::endpoint::Media;
use crate::field::{Field, Integer, Mode, Values, request_component};
use crate::reader::Reader;
use crate::resource::{self, Resource, sharing};
use crate::view::{Identity, View};
use crate::{Endpoint, Error, Request, Response, Result, filter, response};

/// An upload as clients see it.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    #[serde(flatten)]
    identity: Identity,
    size: i64,
}

/// An upload with its chunks.
#[derive(Debug, Serialize, ToSchema)]
struct Detail {
    #[serde(flatten)]
    upload: Body,
    chunks: Vec<Chunk>,
}

/// A part of an upload that is there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UploadChunkResponse)]
struct Chunk {
    offset: i64,
    size: i64,
}

struct Uploads;
struct WithChunks;

impl View for Uploads {
    type Entity = Entity;
    type Row = Model;
    type Body = Body;

    async fn show(rows: Vec<Model>, reader: &Reader<'_>) -> Result<Vec<Body>> {
        Ok(rows.into_iter().map(|row| show(row, reader)).collect())
    }
}

impl View for WithChunks {
    type Entity = Entity;
    type Row = Model;
    type Body = Detail;

    async fn show(rows: Vec<Model>, reader: &Reader<'_>) -> Result<Vec<Detail>> {
        use upload_chunk::Column as Of;
        let parts = reader.scope.parts::<upload_chunk::Entity>(rows.iter().map(|row| row.pulp_id));
        let chunks = parts.order_by_asc(Of::Offset).all(reader.db).await?;
        let show = |row: Model| {
            let own = chunks.iter().filter(|chunk| chunk.upload_id == row.pulp_id);
            let chunks = own.map(|chunk| Chunk { offset: chunk.offset, size: chunk.size }).collect();
            Detail { upload: show(row, reader), chunks }
        };
        Ok(rows.into_iter().map(show).collect())
    }
}

fn show(row: Model, reader: &Reader<'_>) -> Body {
    Body { identity: Identity::of(&kind::UPLOAD, &row, reader), size: row.size }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let uploads = Arc::new(resource());
    let detailed = Arc::new(uploads.viewed_as::<WithChunks>());
    vec![
        resource::list(&uploads),
        resource::create(&uploads),
        resource::read(&detailed),
        chunks::putting(&uploads, &detailed),
        deletion(&uploads),
        commit(&uploads),
    ]
}

fn resource() -> Resource<Uploads> {
    let mut filters = filter::ids(&kind::UPLOAD, Column::PulpId);
    filters.extend(filter::integers("size", Column::Size, &["", "lt", "gt", "range"]));
    let fields = vec![Field::new("size", Integer { low: Some(1), high: None }).required()];
    Resource { fields, filters, ..Resource::new(&kind::UPLOAD) }.ordered_by([
        ("pulp_created", Column::PulpCreated),
        ("pulp_id", Column::PulpId),
        ("pulp_last_updated", Column::PulpLastUpdated),
        ("size", Column::Size),
    ])
}

fn deletion(uploads: &Arc<Resource<Uploads>>) -> Endpoint {
    let handler = sharing(uploads, async |uploads: Arc<Resource<Uploads>>, request: Request| {
        let pulp = &request.context.pulp;
        let upload: Id<Entity> = uploads.id(&request).await?;
        loop {
            let txn = db::begin(&pulp.db).await?;
            let deletion = upload::delete(&txn, &pulp.storage, upload.key(), None).await?;
            txn.commit().await?;
            if deletion != Deletion::Goes {
                break;
            }
        }
        Ok::<Response, Error>(response::empty(StatusCode::NO_CONTENT))
    });
    uploads
        .action(Method::DELETE, "", "delete", uploads.permission("delete"), handler)
        .summary("Delete an upload and its chunks")
        .answer_empty(StatusCode::NO_CONTENT)
}

fn commit(uploads: &Arc<Resource<Uploads>>) -> Endpoint {
    let fields = || [Field { store: crate::field::Store::Nowhere, ..Field::text("sha256").required() }];
    let handler = sharing(uploads, move |uploads: Arc<Resource<Uploads>>, mut request: Request| async move {
        let upload: Id<Entity> = uploads.id(&request).await?;
        let form = request.fields().await?;
        let values = Values::read(&request.reader(), &fields(), &form, Mode::Whole).await?;
        let sha256 = values.text("sha256").unwrap_or_default().to_lowercase();
        request.dispatch(&Commit { upload: upload.key(), sha256 }).await
    });
    uploads
        .action(Method::POST, "commit/", "commit", uploads.permission("change"), handler)
        .summary("Create an artifact from the chunks of an upload")
        .body(Media::Fields, request_component("UploadCommit", &fields(), Mode::Whole))
        .answer_task()
}
