//! What a plugin brings to the content app.

use entities::{Pulp, Result};
use futures_util::future::{BoxFuture, ready};
use http::{HeaderMap, Method};

use crate::{Distribution, Response};

/// A request for something below the base path of a distribution.
#[derive(Clone, Debug)]
pub struct ContentRequest {
    /// The handles of the process.
    pub pulp: Pulp,
    /// `GET` or `HEAD`.
    pub method: Method,
    /// The client's headers.
    pub headers: HeaderMap,
    /// The correlation id of the request; sent with upstream requests.
    pub correlation_id: String,
    /// What is served.
    pub distribution: Distribution,
    /// What is asked for, relative to the base path, decoded, without a leading slash; may be empty. It is text from
    /// a stranger: look it up, never open it.
    pub path: String,
}

/// How the distributions of a plugin are served. The defaults suit a plugin whose publications say it all.
pub trait ContentPlugin: Send + Sync {
    /// The `pulp_type` of the distributions this plugin answers for.
    fn distribution_types(&self) -> &'static [&'static str];

    /// Whether a version is served through a publication only. If not, its content is served as it is where there
    /// is no publication (A06, A07).
    fn needs_publication(&self) -> bool {
        true
    }

    /// Answers a request in the plugin's own way, before the usual look-up (A06); `None` leaves it to that.
    fn respond<'a>(&'a self, _request: &'a ContentRequest) -> BoxFuture<'a, Result<Option<Response>>> {
        Box::pin(ready(Ok(None)))
    }
}
