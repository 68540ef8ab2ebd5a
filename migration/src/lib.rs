//! The schema, frozen step by step: what `pulpcore migrate` applies.
//!
//! A migration is never edited once it is released; a change is a new step. Core's steps come first, then each
//! plugin's, in the order of the plugin list.

mod m0001_core;
mod m0002_tasking;
mod m0003_postgres_tasking;
mod m0004_task_schedules;
mod m0005_queue_by_sets;
mod m0006_queue_steps;
mod m0007_claims;
mod m0008_late_tasks;
mod m0009_second_wake;
mod sql;

pub use sea_orm_migration::MigratorTraitSelf;
use sea_orm_migration::prelude::*;

pub use sql::SqlMigration;

/// Core's steps, oldest first.
pub fn core() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m0001_core::STEP),
        Box::new(m0002_tasking::STEP),
        Box::new(m0003_postgres_tasking::STEP),
        Box::new(m0004_task_schedules::STEP),
        Box::new(m0005_queue_by_sets::STEP),
        Box::new(m0006_queue_steps::STEP),
        Box::new(m0007_claims::STEP),
        Box::new(m0008_late_tasks::STEP),
        Box::new(m0009_second_wake::STEP),
    ]
}

/// All the steps of an installation: core's, then its plugins'.
pub struct Migrator {
    plugins: fn() -> Vec<Box<dyn MigrationTrait>>,
}

impl std::fmt::Debug for Migrator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Migrator").finish_non_exhaustive()
    }
}

impl Migrator {
    /// A migrator of core and of what `plugins` lists.
    pub fn new(plugins: fn() -> Vec<Box<dyn MigrationTrait>>) -> Self {
        Migrator { plugins }
    }
}

impl MigratorTraitSelf for Migrator {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        core().into_iter().chain((self.plugins)()).collect()
    }
}
