//! Responses that are not content: short plain text.

use entities::Error;
use http::{HeaderValue, Method, StatusCode, header};
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
    redirect(StatusCode::MOVED_PERMANENTLY, location)
}

/// Sends the client elsewhere; 404 if the location cannot stand in a header.
pub(crate) fn redirect(status: StatusCode, location: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else { return plain(StatusCode::NOT_FOUND) };
    let mut response = plain(status);
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// 405, with the methods that are allowed.
pub(crate) fn method_not_allowed(allowed: &[Method]) -> Response {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED);
    let names: Vec<&str> = allowed.iter().map(Method::as_str).collect();
    if let Ok(names) = HeaderValue::from_str(&names.join(", ")) {
        response.headers_mut().insert(header::ALLOW, names);
    }
    response
}

/// The response to an error; causes go to the log only.
pub(crate) fn from_error(error: Error) -> Response {
    match error {
        Error::NotFound { .. } => plain(StatusCode::NOT_FOUND),
        Error::Forbidden => plain(StatusCode::FORBIDDEN),
        Error::Unauthenticated | Error::BadCredentials => plain(StatusCode::UNAUTHORIZED),
        Error::Invalid(_) | Error::Malformed(_) | Error::Digest(_) => plain(StatusCode::BAD_REQUEST),
        Error::UnsupportedMediaType(_) => plain(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        Error::Conflict(_) => plain(StatusCode::CONFLICT),
        Error::TooLarge { .. } => plain(StatusCode::PAYLOAD_TOO_LARGE),
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
