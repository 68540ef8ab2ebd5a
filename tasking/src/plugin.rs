//! What a plugin brings to tasking.

use crate::{RepositoryType, Tasks};

/// The tasks of a plugin.
pub trait TaskPlugin: Send + Sync {
    /// All of them, by name.
    fn tasks(&self) -> Tasks;

    /// The rules of its types of repositories.
    fn repository_types(&self) -> Vec<&'static dyn RepositoryType>;
}
