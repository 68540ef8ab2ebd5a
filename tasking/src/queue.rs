//! The queue: how a task gets from its dispatch to a worker and to its final state.
//!
//! Postgres holds the truth, the row of each task; what Redis or the queue's tables hold is an index of rows
//! that can be built again at any time. Two styles of tasking share everything here but the way from a row to
//! a worker: [`redis_style`], in which a resource manager routes tasks to workers over Redis, and
//! [`postgres_style`], in which workers claim what is ready in Postgres.

pub(crate) mod backoff;
mod claims;
pub mod dispatch;
mod faults;
mod guard;
mod heartbeat;
mod housekeeping;
pub mod inspect;
mod notifier;
mod postgres_style;
pub mod presence;
pub mod process;
mod pulse;
mod reaper;
pub(crate) mod redis_style;
pub mod resource_manager;
mod rows;
mod runner;
pub mod scheduler;
pub mod schedules;
mod style;
pub mod worker;

pub(crate) use entities::repeats;
