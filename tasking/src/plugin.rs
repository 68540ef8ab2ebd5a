//! What a plugin brings to tasking.

use crate::Tasks;

/// The tasks of a plugin.
pub trait TaskPlugin: Send + Sync {
    /// All of them, by name.
    fn tasks(&self) -> Tasks;
}
