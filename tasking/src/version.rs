//! Repository versions: how a task makes one, deletes one, and keeps only as many as are wanted.
//!
//! A version that is being made is a [`Draft`]: its memberships carry a number that no complete version has, so
//! nobody sees them. It becomes visible in one fenced transaction, together with the repository's next number.

mod counts;
mod delete;
mod draft;

pub use delete::{delete, retain};
pub use draft::Draft;
