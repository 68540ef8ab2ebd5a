//! Units of content: declared by a plugin, looked up and written in bulk, and read back from a version.
//!
//! All statements work on a batch of units of one type. They must be right without statistics: the planner
//! knows nothing of rows that were written a moment ago, so each look-up is forced (`OFFSET 0`) to be one
//! step into an index.

mod artifact;
mod handle;
mod known;
mod save;
mod sql;
mod store;
mod stream;
mod unit;

pub use artifact::DeclaredArtifact;
pub use handle::Handle;
pub use store::create;
pub use stream::{StoredArtifact, StoredUnit, of_version};
pub use unit::Unit;

pub(crate) use known::{State, states};
pub(crate) use store::{keep, store};
