//! Answers that are not content: short plain text.

use entities::Error;
use http::{HeaderValue, StatusCode, header};
use warp::Reply;

use crate::Response;

/// A status with its name as text, such as `404: Not Found`.
pub(crate) fn plain(status: StatusCode) -> Response {
    let text = format!("{}: {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let mut response = warp::reply::with_status(text, status).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Sends the client to another path of this server.
pub(crate) fn moved(location: &str) -> Response {
    let mut response = plain(StatusCode::MOVED_PERMANENTLY);
    match HeaderValue::from_str(location) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        Err(_) => plain(StatusCode::NOT_FOUND),
    }
}

/// The answer to an error; causes go to the log only.
pub(crate) fn from_error(error: Error) -> Response {
    match error {
        Error::NotFound { .. } => plain(StatusCode::NOT_FOUND),
        Error::Forbidden => plain(StatusCode::FORBIDDEN),
        Error::Unauthenticated | Error::BadCredentials => plain(StatusCode::UNAUTHORIZED),
        Error::Unavailable(reason) => {
            tracing::warn!(%reason, "content is unavailable");
            let mut response = plain(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            response
        }
        error => {
            tracing::error!(error = &error as &dyn std::error::Error, "content could not be served");
            plain(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
