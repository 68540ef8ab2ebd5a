//! Tasking without Redis: the queue in rows, the wake-ups of its workers, and what one of them does for all.

pub(crate) mod ear;
pub(crate) mod listener;
mod neighbours;
pub(crate) mod promoter;
pub(crate) mod steps;
pub(crate) mod steward;
pub(crate) mod style;
