//! The life of a task, from its dispatch to its end.
//!
//! A task is a struct: its fields are its arguments, its `run` the body. Dispatching it writes a row, and the row is
//! the truth: everything in Redis, or in the tables of the queue, is an index of rows that can be made again at any time.

pub mod cleanup;
pub mod content_type;
pub mod context;
pub mod creation;
pub mod download;
pub mod progress;
pub mod publish;
pub mod queue;
pub mod registry;
pub mod relative_path;
pub mod repository_type;
pub mod shutdown;
pub mod sync;
pub mod task;
pub mod tasks;
pub mod units;
pub mod version;

pub use content_type::{Content, ContentType};
pub use context::{FencedTransaction, TaskContext};
pub use progress::Progress;
pub use queue::dispatch::{self, Dispatcher, Origin};
pub use queue::redis_style::{RedisPing, check_credentials, codec};
pub use queue::{inspect, presence, process, resource_manager, scheduler, schedules, worker};
pub use registry::Tasks;
pub use repository_type::{Hooks, RepositoryType, RepositoryTypes};
pub use shutdown::Shutdown;
pub use task::{Resources, Task};
