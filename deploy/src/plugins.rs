//! The plugins of a program, and what each part of a process takes from them.

use std::fmt;
use std::sync::Arc;

use api::Component;
use content::Services;
use entities::Kinds;
use migration::Migrator;
use plugin::Plugin;
use tasking::Tasks;

/// The plugins of this program, in their order; cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Plugins(&'static [&'static dyn Plugin]);

impl Plugins {
    /// These plugins.
    pub(crate) fn new(plugins: &'static [&'static dyn Plugin]) -> Plugins {
        Plugins(plugins)
    }

    /// The kinds of objects that a process knows: core's and the plugins'.
    pub(crate) fn kinds(self) -> Arc<Kinds> {
        Arc::new(Kinds::new(self.0.iter().flat_map(|plugin| plugin.kinds())))
    }

    /// What the REST API takes.
    pub(crate) fn components(self) -> Vec<Component> {
        let component =
            |plugin: &&dyn Plugin| Component { info: plugin.info(), endpoints: plugin.endpoints() };
        self.0.iter().map(component).collect()
    }

    /// What the content app takes.
    ///
    /// # Errors
    /// If two plugins serve the same place.
    pub(crate) fn content_services(self) -> anyhow::Result<Services> {
        let services = self.0.iter().flat_map(|plugin| plugin.content_services());
        Services::new(services, self.0.iter().flat_map(|plugin| plugin.guards()))
    }

    /// What workers take: core's tasks and the plugins', with their types of repositories.
    pub(crate) fn tasks(self) -> Tasks {
        self.0.iter().fold(tasking::tasks::core(), |tasks, plugin| {
            tasks.and(plugin.tasks()).with_repositories(plugin.repositories())
        })
    }

    /// The schema: core's and the plugins'.
    pub(crate) fn migrator(self) -> Migrator {
        Migrator::new(move || self.0.iter().flat_map(|plugin| plugin.migrations()).collect())
            .with_functions(|| self.0.iter().flat_map(|plugin| plugin.functions()).collect())
    }
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|plugin| plugin.info().component)).finish()
    }
}
