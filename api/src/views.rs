//! The endpoints of core, one file per resource; and what plugins build theirs of.

pub mod artifacts;
pub mod content;
pub mod distributions;
mod docs;
mod domains;
mod livez;
pub mod membership;
mod orphans;
pub mod publications;
pub mod remotes;
pub mod repositories;
mod status;
mod task_groups;
mod task_schedules;
mod tasks;
mod uploads;
mod users;
pub mod versions;
mod workers;

use crate::{Component, Endpoint};

/// All endpoints: core's, then those of the plugins.
pub(crate) fn endpoints(plugins: &[Component]) -> Vec<Endpoint> {
    let mut endpoints = [
        artifacts::endpoints(),
        content::endpoints(),
        distributions::endpoints(),
        docs::endpoints(),
        domains::endpoints(),
        livez::endpoints(),
        orphans::endpoints(),
        publications::endpoints(),
        remotes::endpoints(),
        repositories::endpoints(),
        status::endpoints(),
        task_groups::endpoints(),
        task_schedules::endpoints(),
        tasks::endpoints(),
        uploads::endpoints(),
        users::endpoints(),
        versions::endpoints(),
        workers::endpoints(),
    ]
    .concat();
    endpoints.extend(plugins.iter().flat_map(|plugin| plugin.endpoints.iter().cloned()));
    endpoints
}
