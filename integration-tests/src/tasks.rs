//! Tasks that exist for tests only: what `pulpcore-under-test` can run beside the product's own.

mod noop;
mod probe;

use entities::kind;
use plugin_file::File;
use tasking::{TaskPlugin, Tasks};

pub use noop::Noop;
pub use probe::{Probe, Step, now};

/// Makes the kinds of the plugins known; the first thing of a process that runs or dispatches tasks.
pub fn install() {
    kind::install(File.kinds());
}

/// Everything that a worker under test can run.
pub fn all() -> Tasks {
    tasking::tasks::core()
        .and(File.tasks())
        .with_repositories(File.repositories())
        .with::<Noop>()
        .with::<Probe>()
}
