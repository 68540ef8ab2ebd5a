//! What handlers answer.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::Result;

/// An answer, whole in memory: everything the API says is small.
pub type Response = http::Response<Bytes>;

/// JSON. The content type has no charset: clients compare the whole header.
pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Response> {
    let text = serde_json::to_vec(body).map_err(|error| crate::Error::Internal(error.into()))?;
    Ok(json_text(status, text))
}

/// JSON that is text already.
pub fn json_text(status: StatusCode, text: impl Into<Bytes>) -> Response {
    with_type(status, "application/json", text)
}

/// A body of any type.
pub fn with_type(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// No body at all.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// The same answer, about a new object that is at this href.
pub fn at(mut response: Response, href: &str) -> Response {
    if let Ok(href) = HeaderValue::from_str(href) {
        response.headers_mut().insert(LOCATION, href);
    }
    response
}
