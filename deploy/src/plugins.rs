//! The one list of plugins.

use migration::Migrator;

/// The schema's steps, core's and the plugins'.
pub(crate) fn migrator() -> Migrator {
    Migrator::new(Vec::new)
}
