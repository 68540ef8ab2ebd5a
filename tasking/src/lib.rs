//! The life of a task, from its dispatch to its end.
//!
//! A task is a struct: its fields are its arguments, its `run` the body. Dispatching it writes a row, and the row is
//! the truth: everything in Redis, or in the tables of the queue, is an index of rows that can be made again at any time.

mod backoff;
mod claims;
pub mod cleanup;
pub mod codec;
pub mod content_type;
pub mod context;
pub mod creation;
pub mod dispatch;
mod doorbell;
pub mod download;
mod giving_up;
mod heartbeat;
pub mod inspect;
pub mod postgres;
pub mod presence;
pub mod process;
pub mod progress;
pub mod publish;
mod redis;
pub mod registry;
pub mod relative_path;
pub mod repository_type;
pub mod resource_manager;
mod run;
mod sabotage;
pub mod scheduler;
pub mod schedules;
pub mod shutdown;
pub mod sync;
pub mod task;
pub mod tasks;
pub mod units;
pub mod version;
pub mod worker;

pub use content_type::{Content, ContentType};
pub use context::{FencedTransaction, TaskContext};
pub use dispatch::{Dispatcher, Origin};
pub use progress::Progress;
pub use redis::{RedisPing, check_credentials};
pub use registry::Tasks;
pub use repository_type::{Hooks, RepositoryType};
pub use shutdown::Shutdown;
pub use task::{Resources, Task};
