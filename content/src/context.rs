//! One request, as everything needs it that produces bytes for it.

use entities::Pulp;
use http::{HeaderMap, Method};
use tokio_util::task::TaskTracker;

/// What is known of a request, and what its response is made with.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The handles of the process.
    pub pulp: Pulp,
    /// Downloads that outlive their request because they are being saved.
    pub downloads: TaskTracker,
    pub method: Method,
    pub headers: HeaderMap,
    /// Sent with upstream requests.
    pub correlation_id: String,
}
