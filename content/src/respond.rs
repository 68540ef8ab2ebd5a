//! Responses with the bytes of a file: headers, ranges, and the stream from the artifact store.

use std::ops::Range;
use std::time::SystemTime;

use entities::Result;
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use warp::Reply;

use crate::conditions::{Known, Part, Unmet};
use crate::context::Context;
use crate::{Response, problem, stream};

/// Length of the whole file, whatever part is sent (A35).
const ARTIFACT_SIZE: HeaderName = HeaderName::from_static("x-pulp-artifact-size");

/// A file whose bytes are stored.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Storage path.
    pub file: String,
    pub known: Known,
}

/// Streams a stored file, or the part that is asked for. The name at the end of `path` gives the media type.
pub(crate) async fn stored(cx: &Context, path: &str, stored: &Stored) -> Result<Response> {
    if let Some(response) = without_bytes(cx, path, &stored.known) {
        return Ok(response);
    }
    let range = match stored.known.part(&cx.headers) {
        Part::Whole => None,
        Part::Bytes(range) => Some(range),
        Part::Unsatisfiable => return Ok(unsatisfiable(&stored.known)),
    };
    let body = cx.pulp.storage.read(&stored.file, range.clone()).await?;
    let body = body.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "stored bytes could not be read");
        error.into()
    });
    Ok(with_headers(stream::respond(body.boxed()), path, &stored.known, range))
}

/// The response, if it needs no bytes: to a condition that is not met, and to HEAD.
pub(crate) fn without_bytes(cx: &Context, path: &str, known: &Known) -> Option<Response> {
    if let Some(unmet) = known.unmet(&cx.headers) {
        return Some(self::unmet(unmet, known));
    }
    (cx.method == Method::HEAD).then(|| with_headers(warp::reply().into_response(), path, known, None))
}

/// The response to a condition that is not met.
pub(crate) fn unmet(unmet: Unmet, known: &Known) -> Response {
    match unmet {
        Unmet::NotModified => {
            let mut response = StatusCode::NOT_MODIFIED.into_response();
            validators(response.headers_mut(), known);
            response
        }
        Unmet::OtherVersion => problem::plain(StatusCode::PRECONDITION_FAILED),
    }
}

/// The response to a range that does not exist.
pub(crate) fn unsatisfiable(known: &Known) -> Response {
    let mut response = problem::plain(StatusCode::RANGE_NOT_SATISFIABLE);
    let range = format!("bytes */{}", known.size.unwrap_or_default());
    set(response.headers_mut(), header::CONTENT_RANGE, &range);
    response
}

/// Adds what is known of the file; `range` is the part that the body holds, if not all.
pub(crate) fn with_headers(
    mut response: Response,
    path: &str,
    known: &Known,
    range: Option<Range<u64>>,
) -> Response {
    let headers = response.headers_mut();
    validators(headers, known);
    let mime = mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(mime));
    if let Some(size) = known.size {
        headers.insert(ARTIFACT_SIZE, size.into());
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let length = range.as_ref().map_or(size, |range| range.end - range.start);
        headers.insert(header::CONTENT_LENGTH, length.into());
        if let Some(range) = range {
            let range = format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1));
            set(headers, header::CONTENT_RANGE, &range);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
    }
    response
}

fn validators(headers: &mut HeaderMap, known: &Known) {
    if let Some(etag) = known.etag() {
        set(headers, header::ETAG, &etag);
    }
    // A date before 1970 cannot be told.
    if let Some(modified) = known.modified.filter(|date| *date >= SystemTime::UNIX_EPOCH) {
        set(headers, header::LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
