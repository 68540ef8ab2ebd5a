//! The filter that answers every request of the REST API.

use bytes::Bytes;
use entities::Pulp;
use front::Routes;
use tasking::Tasks;

use crate::{Component, Context, openapi, router, views};

/// Serves core and these plugins, whatever the path; `tasks` are those that may be dispatched.
///
/// # Errors
/// If Redis is to be used and its address is wrong, or if the paths of two endpoints contradict each other.
pub fn routes(pulp: Pulp, plugins: &[Component], tasks: &Tasks) -> anyhow::Result<Routes> {
    let document = Bytes::from(openapi::document(plugins, pulp.links.root()).to_string());
    let context = Context::new(pulp, plugins, tasks, document)?;
    router::filter(context, views::endpoints(plugins))
}
