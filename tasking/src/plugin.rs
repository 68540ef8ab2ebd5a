//! What a plugin brings to tasking.

use crate::{ContentType, RepositoryType, Tasks};

/// The tasks of a plugin.
pub trait TaskPlugin: Send + Sync {
    /// All of them, by name.
    fn tasks(&self) -> Tasks;

    /// Its types of content.
    fn content(&self) -> Vec<ContentType> {
        Vec::new()
    }

    /// Its types of repositories.
    fn repositories(&self) -> Vec<RepositoryType> {
        Vec::new()
    }
}
