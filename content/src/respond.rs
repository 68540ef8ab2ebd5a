//! Answers with the bytes of a file: headers, ranges, and the stream from the artifact store.

use std::ops::Range;
use std::time::SystemTime;

use entities::{Pulp, Result};
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use warp::Reply;

use crate::conditions::{Known, Wanted};
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

/// Streams a stored file, or the part that is asked for.
pub(crate) async fn stored(
    pulp: &Pulp,
    method: &Method,
    headers: &HeaderMap,
    path: &str,
    stored: &Stored,
) -> Result<Response> {
    let wanted = stored.known.wanted(method, headers);
    if let Some(answer) = without_body(method, path, &stored.known, &wanted) {
        return Ok(answer);
    }
    let range = match &wanted {
        Wanted::Part(range) => Some(range.clone()),
        _ => None,
    };
    let body = pulp.storage.read(&stored.file, range.clone()).await?;
    let body = body.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "stored bytes could not be read");
        error.into()
    });
    Ok(with_headers(stream::respond(body.boxed()), path, &stored.known, range))
}

/// The answer, if it needs no bytes: to HEAD, to a condition that is not met, to a range that does not exist.
pub(crate) fn without_body(method: &Method, path: &str, known: &Known, wanted: &Wanted) -> Option<Response> {
    let status = match wanted {
        Wanted::Whole | Wanted::Part(_) if *method == Method::HEAD => {
            return Some(with_headers(warp::reply().into_response(), path, known, None));
        }
        Wanted::Whole | Wanted::Part(_) => return None,
        Wanted::NotModified => {
            let mut answer = StatusCode::NOT_MODIFIED.into_response();
            validators(answer.headers_mut(), known);
            return Some(answer);
        }
        Wanted::OtherVersion => StatusCode::PRECONDITION_FAILED,
        Wanted::NoSuchPart => StatusCode::RANGE_NOT_SATISFIABLE,
    };
    let mut answer = problem::plain(status);
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        let range = format!("bytes */{}", known.size.unwrap_or_default());
        set(answer.headers_mut(), header::CONTENT_RANGE, &range);
    }
    Some(answer)
}

/// Adds what is known of the file; `range` is the part that the body holds, if not all.
pub(crate) fn with_headers(
    mut answer: Response,
    path: &str,
    known: &Known,
    range: Option<Range<u64>>,
) -> Response {
    let headers = answer.headers_mut();
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
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
    }
    answer
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
