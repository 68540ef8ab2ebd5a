//! The endpoints of core, one file per resource.

mod docs;
mod livez;
mod status;

use crate::{ApiPlugin, Endpoint};

/// All endpoints: core's, then those of the plugins.
pub(crate) fn endpoints(plugins: &[&dyn ApiPlugin]) -> Vec<Endpoint> {
    let mut endpoints = [docs::endpoints(), livez::endpoints(), status::endpoints()].concat();
    endpoints.extend(plugins.iter().flat_map(|plugin| plugin.endpoints()));
    endpoints
}
