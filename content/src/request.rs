//! A request, as the handlers of plugins see it.

use std::fmt;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::{HeaderMap, Method};

use crate::stream::BodyError;

/// The body of a request as it comes. The client waits while nothing is read; what is left unread is dropped.
pub type Body = BoxStream<'static, Result<Bytes, BodyError>>;

/// A request for something that a plugin serves.
pub struct Request {
    /// One of the methods that the service takes.
    pub method: Method,
    /// What is asked for, relative to the base path of the distribution or to the root of the service,
    /// decoded, without a leading slash; may be empty. It is text from a stranger: look it up, never open it.
    pub path: String,
    /// What follows the question mark, not decoded.
    pub query: Option<String>,
    /// The client's headers.
    pub headers: HeaderMap,
    /// The correlation id of the request.
    pub correlation_id: String,
    /// The body.
    pub body: Body,
}

impl Request {
    /// The first value of a parameter of the query, decoded; `None` if it is not there.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let query = self.query.as_deref().unwrap_or_default();
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
