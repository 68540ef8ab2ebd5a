//! The file content type: any files, listed in a `PULP_MANIFEST`.
//!
//! Written against the public traits of the other crates only: what this plugin can do, anybody's can.

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

use ::entities::Kind;
use sea_orm_migration::MigrationTrait;
use tasking::{Content, ContentType, RepositoryType, TaskPlugin, Tasks};

/// The plugin.
#[derive(Clone, Copy, Debug)]
pub struct File;

impl File {
    /// The kinds of objects the plugin brings.
    pub fn kinds(&self) -> Vec<&'static Kind> {
        kinds::ALL.to_vec()
    }

    /// The plugin's part of the schema.
    pub fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(migration::STEP)]
    }
}

impl TaskPlugin for File {
    fn tasks(&self) -> Tasks {
        Tasks::default()
            .with::<tasks::create_content::CreateContent>()
            .with::<tasks::publish::Publish>()
            .with::<tasks::synchronize::Synchronize>()
    }

    fn content(&self) -> Vec<ContentType> {
        vec![file::FileContent::TYPE]
    }

    fn repositories(&self) -> Vec<RepositoryType> {
        vec![repository::repositories()]
    }
}
