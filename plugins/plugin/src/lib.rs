//! What a plugin is: one trait, and what its author needs.
//!
//! A plugin is a value that implements [`Plugin`]. Only its name has no default; a method is overridden for
//! each thing that the plugin brings. An executable is a list of plugins, given to `deploy::main`:
//!
//! ```
//! use plugin::{Plugin, PluginInfo, Tasks};
//!
//! #[derive(Debug)]
//! pub struct Shelf;
//!
//! impl Plugin for Shelf {
//!     fn info(&self) -> PluginInfo {
//!         PluginInfo { component: "shelf", version: "1.0.0", package: "pulp-shelf", module: "pulp_shelf.app" }
//!     }
//! }
//!
//! // In the executable: fn main() -> ExitCode { deploy::main(&[&Shelf]) }
//! static PLUGINS: &[&dyn Plugin] = &[&Shelf];
//! assert_eq!(PLUGINS[0].info().component, "shelf");
//! assert_eq!(PLUGINS[0].tasks().names().count(), 0);
//! ```
//!
//! A whole one, in the order in which one is written, is `plugins/example` of this repository: content with
//! two artifacts, an index that is generated at publication, a live path below distributions, an option of
//! remotes. Its files are the guide; begin with `plugins/example/src/lib.rs`.
//!
//! The crates that the parts come from are here as well: [`api`] (endpoints), [`content`] (how bytes are
//! served), [`entities`] (core's rows, settings, storage), [`migration`] (the schema) and [`tasking`] (tasks,
//! the synchronisation of repositories, publications).

pub use api::{self, Endpoint, PluginInfo};
pub use content::{self, Guard, Service};
pub use entities::{self, Kind};
pub use migration::{self, Function, SqlMigration};
pub use sea_orm_migration::MigrationTrait;
pub use tasking::{self, RepositoryType, Task, TaskContext, Tasks};

/// Everything that a plugin brings. What is not overridden is: nothing.
///
/// The methods are called once or a few times when a process starts, and must return the same each time.
pub trait Plugin: Send + Sync + 'static {
    /// Its name and version.
    fn info(&self) -> PluginInfo;

    /// The kinds of its objects: what hrefs, PRNs and the column `pulp_type` call them.
    fn kinds(&self) -> Vec<&'static Kind> {
        Vec::new()
    }

    /// Its steps of the schema, oldest first.
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }

    /// Its database functions, each after those that it calls.
    fn functions(&self) -> Vec<Function> {
        Vec::new()
    }

    /// The endpoints of its REST API.
    fn endpoints(&self) -> Vec<Endpoint> {
        Vec::new()
    }

    /// Its tasks.
    fn tasks(&self) -> Tasks {
        Tasks::default()
    }

    /// Its types of repositories, with the types of content that they take.
    fn repositories(&self) -> Vec<RepositoryType> {
        Vec::new()
    }

    /// How its distributions are served, and what it serves besides.
    fn content_services(&self) -> Vec<Service> {
        Vec::new()
    }

    /// Its types of content guards.
    fn guards(&self) -> Vec<&'static dyn Guard> {
        Vec::new()
    }
}
