//! What exists for tests only: the tasks that `pulpcore-under-test` runs, and the resources and services that
//! it has, beside the product's own.

mod books;
mod noop;
mod probe;
pub mod shelves;

use std::sync::Arc;

use entities::{Kind, Kinds};
use plugin::{Endpoint, Guard, Plugin, PluginInfo, Service};
use plugin_file::File;
use tasking::Tasks;

pub use books::{BOOKS, SCHEMA};
pub use noop::Noop;
pub use probe::{Probe, Step, now};

/// The kinds that a process under test knows.
pub fn kinds() -> Arc<Kinds> {
    Arc::new(Kinds::new(File.kinds().into_iter().chain(TestTasks.kinds())))
}

/// A plugin that brings the test tasks and resources, and what the content app serves in tests.
#[derive(Clone, Copy, Debug)]
pub struct TestTasks;

impl Plugin for TestTasks {
    fn info(&self) -> PluginInfo {
        PluginInfo { component: "test", version: "0.1.0", package: "pulp-test", module: "pulp_test.app" }
    }

    fn kinds(&self) -> Vec<&'static Kind> {
        shelves::kinds()
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        shelves::endpoints()
    }

    fn tasks(&self) -> Tasks {
        Tasks::default().with::<Noop>().with::<Probe>()
    }

    fn content_services(&self) -> Vec<Service> {
        books::services()
    }

    fn guards(&self) -> Vec<&'static dyn Guard> {
        vec![&books::Key]
    }
}

/// Everything that a worker under test can run.
pub fn all() -> Tasks {
    tasking::tasks::core().and(File.tasks()).with_repositories(File.repositories()).and(TestTasks.tasks())
}
