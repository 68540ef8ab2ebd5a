//! The REST API of file content: each resource is a description, from which its operations follow.

mod content;
mod distributions;
mod publications;
mod remotes;
mod repositories;

use ::api::{ApiPlugin, Endpoint, PluginInfo};

use crate::File;

impl ApiPlugin for File {
    fn info(&self) -> PluginInfo {
        PluginInfo {
            component: "file",
            version: ::entities::API_LEVEL,
            package: "pulp-file",
            module: "pulp_file.app",
        }
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        [
            content::endpoints(),
            distributions::endpoints(),
            publications::endpoints(),
            remotes::endpoints(),
            repositories::endpoints(),
        ]
        .concat()
    }
}
