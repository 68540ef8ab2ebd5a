//! The one list of plugins, and what each part of a process takes from it.

use std::sync::LazyLock;

use api::ApiPlugin;
use content::ContentPlugin;
use entities::{Kind, kind};
use migration::{Function, Migrator};
use plugin_file::File;
use sea_orm_migration::MigrationTrait;
use tasking::{TaskPlugin, Tasks};

/// Everything that a plugin brings.
pub(crate) trait Plugin: ApiPlugin + ContentPlugin + TaskPlugin {
    /// Its steps of the schema, oldest first.
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>>;

    /// Its database functions, each after those that it calls.
    fn functions(&self) -> Vec<Function> {
        Vec::new()
    }

    /// The kinds of its objects.
    fn kinds(&self) -> Vec<&'static Kind>;
}

impl Plugin for File {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        File::migrations(self)
    }

    fn kinds(&self) -> Vec<&'static Kind> {
        File::kinds(self)
    }
}

/// The plugins of this program.
static PLUGINS: &[&dyn Plugin] = &[&File];

static CONTENT: LazyLock<Vec<&'static dyn ContentPlugin>> =
    LazyLock::new(|| PLUGINS.iter().map(|plugin| *plugin as &dyn ContentPlugin).collect());

/// Makes the plugins' kinds known; the first thing of every process that knows objects.
pub(crate) fn install() {
    kind::install(PLUGINS.iter().flat_map(|plugin| plugin.kinds()).collect());
}

/// What the REST API takes.
pub(crate) fn api() -> Vec<&'static dyn ApiPlugin> {
    PLUGINS.iter().map(|plugin| *plugin as &dyn ApiPlugin).collect()
}

/// What the content app takes.
pub(crate) fn content() -> &'static [&'static dyn ContentPlugin] {
    &CONTENT
}

/// What workers take: core's tasks and the plugins', with their types of repositories.
pub(crate) fn tasks() -> Tasks {
    PLUGINS.iter().fold(tasking::tasks::core(), |tasks, plugin| {
        tasks.and(plugin.tasks()).with_repositories(plugin.repositories())
    })
}

/// The schema: core's and the plugins'.
pub(crate) fn migrator() -> Migrator {
    Migrator::new(|| PLUGINS.iter().flat_map(|plugin| plugin.migrations()).collect())
        .with_functions(|| PLUGINS.iter().flat_map(|plugin| plugin.functions()).collect())
}
