//! The life of a task, from its dispatch to its end.
//!
//! A task is a struct: its fields are its arguments, its `run` the body. Dispatching it writes a row, and the row is
//! the truth: everything in Redis is an index of rows that can be made again at any time.

pub mod context;
pub mod dispatch;
pub mod download;
pub mod plugin;
pub mod progress;
pub mod registry;
pub mod repository_type;
pub mod task;
pub mod tasks;
pub mod version;

pub use context::{FencedTransaction, TaskContext};
pub use dispatch::{Dispatcher, Origin};
pub use plugin::TaskPlugin;
pub use progress::Progress;
pub use registry::Tasks;
pub use repository_type::RepositoryType;
pub use task::{Resources, Task};
