//! The REST API of file content: each resource is a description, from which its operations follow.

mod content;
mod distributions;
mod publications;
mod remotes;
mod repositories;

use plugin::Endpoint;

/// All endpoints.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    [
        content::endpoints(),
        distributions::endpoints(),
        publications::endpoints(),
        remotes::endpoints(),
        repositories::endpoints(),
    ]
    .concat()
}
