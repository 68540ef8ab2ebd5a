//! Errors as answers, in the shapes that clients know (R24 to R27). The one place where they become HTTP.

use entities::{Error, db};
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use sea_orm::DbErr;
use serde_json::{Value, json};

use crate::response::{self, Response};

/// The answer that tells a client of an error. What is nobody's fault but ours is logged, and not shown.
pub(crate) fn answer(error: Error) -> Response {
    let text = error.to_string();
    match error {
        Error::Invalid(fields) => body(StatusCode::BAD_REQUEST, &json!(fields)),
        Error::Digest(_) => body(StatusCode::BAD_REQUEST, &json!({"non_field_errors": [text]})),
        Error::Malformed(_) => detail(StatusCode::BAD_REQUEST, &text),
        Error::UnsupportedMediaType(_) => detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, &text),
        Error::Unauthenticated | Error::BadCredentials => {
            let realm = HeaderValue::from_static("Basic realm=\"api\"");
            with(detail(StatusCode::UNAUTHORIZED, &text), WWW_AUTHENTICATE, realm)
        }
        Error::Forbidden => detail(StatusCode::FORBIDDEN, &text),
        Error::NotFound { .. } => not_found(),
        Error::Conflict(_) => detail(StatusCode::CONFLICT, &text),
        Error::TooLarge { .. } => detail(StatusCode::PAYLOAD_TOO_LARGE, &text),
        Error::Unavailable(_) => unavailable(&text),
        Error::Database(error) => database(&error),
        Error::Storage(_) | Error::Internal(_) => internal(&error),
    }
}

/// No such path or object.
pub(crate) fn not_found() -> Response {
    detail(StatusCode::NOT_FOUND, "Not found.")
}

/// The path exists, but not with this method.
pub(crate) fn method_not_allowed(method: &Method, allowed: &str) -> Response {
    let response = detail(StatusCode::METHOD_NOT_ALLOWED, &format!("Method \"{method}\" not allowed."));
    match HeaderValue::from_str(allowed) {
        Ok(allowed) => with(response, ALLOW, allowed),
        Err(_) => response,
    }
}

/// Something went wrong that no client can mend.
pub(crate) fn internal(error: &dyn std::error::Error) -> Response {
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain = format!("{chain}: {error}");
        cause = error.source();
    }
    tracing::error!(error = chain, "a request failed");
    detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error.")
}

fn database(error: &DbErr) -> Response {
    match db::code(error) {
        // Class 22 is "data exception": a value that no validation caught.
        Some(code) if code.starts_with("22") => detail(StatusCode::BAD_REQUEST, &db::message(error)),
        _ => internal(error),
    }
}

fn unavailable(text: &str) -> Response {
    with(detail(StatusCode::SERVICE_UNAVAILABLE, text), RETRY_AFTER, HeaderValue::from_static("5"))
}

fn detail(status: StatusCode, text: &str) -> Response {
    body(status, &json!({"detail": text}))
}

fn body(status: StatusCode, value: &Value) -> Response {
    response::json_text(status, value.to_string())
}

fn with(mut response: Response, name: http::HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}
