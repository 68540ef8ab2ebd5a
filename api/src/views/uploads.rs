//! Chunked uploads (P06, C04, C05).

use std::sync::Arc;

use entities::checksum::{Digests, Expected};
use entities::storage::Staged;
use entities::upload::{self, Deletion};
use entities::{db, kind};
use http::{Method, StatusCode};
use sea_orm::ConnectionTrait;
use tasking::tasks::upload::Commit;
use uuid::Uuid;

use crate::endpoint::Media;
use crate::field::{Field, Shape, Values, identity, read_component, write_component};
use crate::request::AsyncOperationResponse;
use crate::schema::{self, Component};
use crate::viewset::{self, Viewset};
use crate::{Endpoint, Error, Request, Response, Result, filter, response};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let uploads = Arc::new(viewset());
    vec![
        viewset::list(&uploads),
        viewset::create(&uploads),
        viewset::read(&uploads),
        putting(&uploads),
        deletion(&uploads),
        commit(&uploads),
    ]
}

fn viewset() -> Viewset {
    let mut fields = identity("upload");
    fields.push(Field::new("size", Shape::Integer(Some(1), None)).required());
    let mut filters = filter::ids("upload", "t.pulp_id");
    filters.extend(filter::integers("size", "t.size", &["", "lt", "gt", "range"]));
    let chunks = "(SELECT coalesce(json_agg(json_build_object('offset', c.\"offset\", 'size', c.size)
                                            ORDER BY c.\"offset\"), '[]')
                   FROM upload_chunk AS c WHERE c.upload_id = t.pulp_id)";
    Viewset {
        fields,
        filters,
        detail_fields: vec![Field::shown("chunks", Shape::Components(chunk), chunks)],
        ..Viewset::new(&kind::UPLOAD, "uploads", "Upload", "Uploads", "upload_href")
    }
    .ordered_by(&["pulp_created", "pulp_id", "pulp_last_updated", "size"])
}

fn chunk() -> Component {
    let shown = |name| Field::shown(name, Shape::Integer(None, None), "");
    read_component("UploadChunk", &[shown("offset"), shown("size")])
}

fn chunk_fields() -> [Field; 2] {
    [Field::argument("file", Shape::File).required(), Field::argument("sha256", Shape::Text(None)).nullable()]
}

fn putting(uploads: &Arc<Viewset>) -> Endpoint {
    let shared = uploads.clone();
    let handler = move |mut request: Request| {
        let uploads = shared.clone();
        async move {
            let id = request.id()?;
            let size = size(&request, id).await?;
            let (first, last) = content_range(request.header("content-range"), size)?;
            let mut form = request.form().await?;
            let values = Values::read(&request.context, request.domain(), &chunk_fields(), &form).await?;
            let staged =
                form.take_file("file").ok_or_else(|| Error::field("file", "No file was submitted."))?;
            if staged.size != last - first + 1 {
                let message = "Chunk size does not match Content-Range header.";
                return Err(Error::field("file", message));
            }
            let digests = values.text("sha256").map(Digests::sha256).unwrap_or_default();
            Expected { size: None, digests }.check(staged.size, &staged.digests)?;
            keep(&request, id, first, &staged).await?;
            Ok(response::json_text(StatusCode::OK, uploads.show(&request).await?))
        }
    };
    let range = schema::header(
        "Content-Range",
        true,
        schema::text(None).into(),
        "The Content-Range header specifies the location of the file chunk within the file.",
    );
    uploads
        .action(Method::PUT, "", "update", handler)
        .summary("Uploads a chunk.")
        .parameters([range])
        .body(Media::Files, write_component("UploadChunk", &chunk_fields(), false))
        .answer(StatusCode::OK, uploads.component())
}

async fn size(request: &Request, id: Uuid) -> Result<u64> {
    let sql = "SELECT size FROM upload WHERE pulp_id = $1 AND pulp_domain_id = $2";
    let values = [id.into(), request.domain().into()];
    let row = request.context.pulp.db.query_one_raw(db::sql(sql, values)).await?;
    let row = row.ok_or_else(|| Error::not_found("upload", id))?;
    Ok(row.try_get::<i64>("", "size")?.unsigned_abs())
}

/// First and last byte of `bytes 0-9/10` or `bytes 0-9/*`.
fn content_range(header: Option<&str>, size: u64) -> Result<(u64, u64)> {
    let refuse = |message: &str| Error::Malformed(message.to_owned());
    let header = header.ok_or_else(|| refuse("Missing Content-Range header."))?;
    let parsed = || {
        let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let total = if total == "*" { size } else { total.parse().ok()? };
        Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?, total))
    };
    let (first, last, total) = parsed()
        .ok_or_else(|| refuse("Invalid Content-Range header: 'bytes <first>-<last>/<size>' is expected."))?;
    if first > last || last >= size || total != size {
        return Err(refuse("The Content-Range header does not lie within the size of the upload."));
    }
    Ok((first, last))
}

async fn keep(request: &Request, id: Uuid, first: u64, staged: &Staged) -> Result<()> {
    let pulp = &request.context.pulp;
    let path = format!("{}/{id}/{first}-{}", pulp.settings.chunked_upload_dir, Uuid::new_v4().simple());
    pulp.storage.keep(staged, &path).await?;
    // The same chunk again replaces the one that is there. Somebody goes on with the upload: it is not abandoned.
    let sql = "WITH old AS (SELECT file FROM upload_chunk WHERE upload_id = $2 AND \"offset\" = $3),
               new AS (INSERT INTO upload_chunk (pulp_id, upload_id, \"offset\", size, file)
                       VALUES ($1, $2, $3, $4, $5)
                       ON CONFLICT (upload_id, \"offset\") DO UPDATE SET size = EXCLUDED.size, file = EXCLUDED.file),
               touched AS (UPDATE upload SET pulp_last_updated = clock_timestamp() WHERE pulp_id = $2)
               SELECT file FROM old";
    let values = [
        Uuid::now_v7().into(),
        id.into(),
        (first as i64).into(),
        (staged.size as i64).into(),
        path.as_str().into(),
    ];
    match pulp.db.query_one_raw(db::sql(sql, values)).await {
        Ok(None) => Ok(()),
        Ok(Some(old)) => pulp.storage.delete(&old.try_get::<String>("", "file")?).await,
        Err(error) => {
            pulp.storage.delete(&path).await?;
            match Error::from(error) {
                Error::Conflict(_) => Err(Error::not_found("upload", id)),
                error => Err(error),
            }
        }
    }
}

fn deletion(uploads: &Arc<Viewset>) -> Endpoint {
    let handler = async |request: Request| -> Result<Response> {
        let pulp = &request.context.pulp;
        let id = request.id()?;
        size(&request, id).await?;
        loop {
            let txn = db::begin(&pulp.db).await?;
            let deletion = upload::delete(&txn, &pulp.storage, id, None).await?;
            txn.commit().await?;
            if deletion != Deletion::Goes {
                break;
            }
        }
        Ok(response::empty(StatusCode::NO_CONTENT))
    };
    uploads
        .action(Method::DELETE, "", "delete", handler)
        .summary("Deletes an upload and its chunks.")
        .answer_empty(StatusCode::NO_CONTENT)
}

fn commit(uploads: &Arc<Viewset>) -> Endpoint {
    let fields = || [Field::argument("sha256", Shape::Text(None)).required()];
    let handler = move |mut request: Request| async move {
        let upload = request.id()?;
        size(&request, upload).await?;
        let form = request.fields().await?;
        let values = Values::read(&request.context, request.domain(), &fields(), &form).await?;
        let sha256 = values.text("sha256").unwrap_or_default().to_lowercase();
        request.dispatch(&Commit { upload, sha256 }).await
    };
    uploads
        .action(Method::POST, "commit/", "commit", handler)
        .summary("Makes an artifact of the chunks.")
        .body(Media::Fields, write_component("UploadCommit", &fields(), false))
        .answer(StatusCode::ACCEPTED, Component::of::<AsyncOperationResponse>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_within_the_size() {
        assert_eq!(content_range(Some("bytes 0-4/10"), 10).unwrap(), (0, 4));
        assert_eq!(content_range(Some("bytes 5-9/*"), 10).unwrap(), (5, 9));
        for header in ["", "bytes", "bytes 5-10/10", "bytes 4-3/10", "bytes 0-1/11", "bytes a-b/10", "0-1/10"]
        {
            assert!(content_range(Some(header), 10).is_err(), "{header}");
        }
        assert!(content_range(None, 10).is_err());
    }
}
