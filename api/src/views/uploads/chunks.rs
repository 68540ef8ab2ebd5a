//! Chunks of uploads: each is put at its place.

use std::sync::Arc;

use entities::checksum::{Digests, Expected};
use entities::storage::Staged;
use entities::upload::Entity;
use entities::{Id, db};
use headers::{ContentRange, HeaderMapExt};
use http::{HeaderMap, Method, StatusCode};
use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, Value};
use uuid::Uuid;

use super::{Uploads, WithChunks};
use crate::endpoint::Media;
use crate::field::{Field, File, Mode, Store, Values, request_component};
use crate::resource::{Resource, sharing};
use crate::{Endpoint, Error, Request, Response, Result, schema};

/// Records a chunk, and returns the file of the one that it replaces. The upload is not abandoned: it is
/// touched.
const RECORD: &str = "
    WITH old AS (SELECT file FROM upload_chunk WHERE upload_id = $2 AND \"offset\" = $3),
         new AS (INSERT INTO upload_chunk (pulp_id, upload_id, \"offset\", size, file)
                 VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (upload_id, \"offset\") DO UPDATE SET size = EXCLUDED.size, file = EXCLUDED.file),
         touched AS (UPDATE upload SET pulp_last_updated = clock_timestamp() WHERE pulp_id = $2)
    SELECT file FROM old";

#[derive(FromQueryResult)]
struct Replaced {
    file: String,
}

fn fields() -> [Field; 2] {
    let sha256 = Field { store: Store::Nowhere, ..Field::text("sha256").nullable() };
    [Field::argument("file", File).required(), sha256]
}

/// The operation that puts a chunk at its place.
pub(super) fn putting(uploads: &Arc<Resource<Uploads>>, detailed: &Arc<Resource<WithChunks>>) -> Endpoint {
    let handler = sharing(detailed, async |uploads: Arc<Resource<WithChunks>>, request: Request| {
        put(&uploads, request).await
    });
    let about = "The Content-Range header specifies the location of the file chunk within the file.";
    let range = schema::header("Content-Range", true, schema::text(None).into(), about);
    uploads
        .action(Method::PUT, "", "update", uploads.permission("change"), handler)
        .summary("Upload a chunk")
        .parameters([range])
        .body(Media::Files, request_component("UploadChunk", &fields(), Mode::Whole))
        .answer(StatusCode::OK, uploads.component())
}

async fn put(uploads: &Resource<WithChunks>, mut request: Request) -> Result<Response> {
    let row = uploads.find(&request).await?;
    let upload = uploads.id(&request).await?;
    let (first, last) = content_range(&request.headers, row.size.unsigned_abs())?;
    let mut form = request.form().await?;
    let values = Values::read(&request.reader(), &fields(), &form, Mode::Whole).await?;
    let staged = form.take_file("file").ok_or_else(|| Error::field("file", "No file was submitted."))?;
    if staged.size != last - first + 1 {
        return Err(Error::field("file", "Chunk size does not match Content-Range header."));
    }
    let digests = values.text("sha256").map(Digests::sha256).unwrap_or_default();
    Expected { size: None, digests }.check(staged.size, &staged.digests)?;
    keep(&request, upload, first, &staged).await?;
    uploads.show(&request, StatusCode::OK).await
}

/// First and last byte of `bytes 0-9/10` or `bytes 0-9/*` (RFC 9110, 14.4).
fn content_range(headers: &HeaderMap, size: u64) -> Result<(u64, u64)> {
    let refuse = |message: &str| Error::Malformed(message.to_owned());
    let range = headers.typed_try_get::<ContentRange>();
    let unreadable = "Invalid Content-Range header: 'bytes <first>-<last>/<size>' is expected.";
    let range = range.map_err(|_| refuse(unreadable))?;
    let range = range.ok_or_else(|| refuse("Missing Content-Range header."))?;
    let (first, last) = range.bytes_range().ok_or_else(|| refuse(unreadable))?;
    if first > last || last >= size || range.bytes_len().is_some_and(|total| total != size) {
        return Err(refuse("The Content-Range header does not lie within the size of the upload."));
    }
    Ok((first, last))
}

async fn keep(request: &Request, upload: Id<Entity>, first: u64, staged: &Staged) -> Result<()> {
    let (pulp, id) = (&request.context.pulp, upload.key());
    let path = format!("{}/{id}/{first}-{}", pulp.settings.chunked_upload_dir, Uuid::new_v4().simple());
    pulp.storage.keep([(staged, path.as_str())]).await?;
    let values = [
        Uuid::now_v7().into(),
        id.into(),
        (first as i64).into(),
        (staged.size as i64).into(),
        path.as_str().into(),
    ];
    match record(&pulp.db, id, values).await {
        Ok(None) => Ok(()),
        Ok(Some(old)) => pulp.storage.delete(&old.file).await,
        Err(error) => {
            pulp.storage.delete(&path).await?;
            Err(error)
        }
    }
}

/// Chunks of one upload are recorded one after the other, so that each sees the file of the one it replaces.
async fn record(db: &DatabaseConnection, upload: Uuid, values: [Value; 5]) -> Result<Option<Replaced>> {
    let txn = db::begin(db).await?;
    let lock = "SELECT 1 AS one FROM upload WHERE pulp_id = $1 FOR UPDATE";
    if txn.query_one_raw(db::sql(lock, [upload.into()])).await?.is_none() {
        return Err(Error::not_found("upload", upload));
    }
    let replaced = Replaced::find_by_statement(db::sql(RECORD, values)).one(&txn).await?;
    txn.commit().await?;
    Ok(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(header: &str) -> Result<(u64, u64)> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_RANGE, header.parse().unwrap());
        content_range(&headers, 10)
    }

    #[test]
    fn ranges_within_the_size() {
        assert_eq!(range("bytes 0-4/10").unwrap(), (0, 4));
        assert_eq!(range("bytes 5-9/*").unwrap(), (5, 9));
        for header in ["", "bytes", "bytes 5-10/10", "bytes 4-3/10", "bytes 0-1/11", "bytes a-b/10", "0-1/10"]
        {
            assert!(range(header).is_err(), "{header}");
        }
        assert!(content_range(&HeaderMap::new(), 10).is_err());
    }
}
