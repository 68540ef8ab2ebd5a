//! The file content type: any files, listed in a `PULP_MANIFEST`.
//!
//! Written against the public parts of the other crates only: what this plugin can do, any plugin can.

mod api;
mod content;
pub mod details;
pub mod entities;
pub mod file;
pub mod kinds;
pub mod manifest;
mod migration;
mod repository;
pub mod tasks;

use ::content::Service;
use ::entities::Kind;
use plugin::{Endpoint, MigrationTrait, Plugin, PluginInfo, RepositoryType, Tasks};

/// The plugin.
#[derive(Clone, Copy, Debug)]
pub struct File;

impl Plugin for File {
    fn info(&self) -> PluginInfo {
        PluginInfo {
            component: "file",
            version: ::entities::API_LEVEL,
            package: "pulp-file",
            module: "pulp_file.app",
        }
    }

    fn kinds(&self) -> Vec<&'static Kind> {
        kinds::ALL.to_vec()
    }

    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(migration::STEP)]
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        api::endpoints()
    }

    fn tasks(&self) -> Tasks {
        Tasks::default()
            .with::<tasks::create_content::CreateContent>()
            .with::<tasks::publish::Publish>()
            .with::<tasks::synchronize::Synchronize>()
    }

    fn repositories(&self) -> Vec<RepositoryType> {
        vec![repository::repositories()]
    }

    fn content_services(&self) -> Vec<Service> {
        content::services()
    }
}
