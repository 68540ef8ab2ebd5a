//! Streams as bodies of responses.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use sync_wrapper::SyncStream;
use warp::Reply;

use crate::Response;

/// Why a body ends before its end: the connection is closed, so that the client does not take the part for
/// all.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A response with status 200 and this body. Warp wants bodies to be `Sync`.
pub(crate) fn respond(body: BoxStream<'static, Result<Bytes, BodyError>>) -> Response {
    warp::reply::stream(SyncStream::new(body)).into_response()
}
