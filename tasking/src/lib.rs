//! Tasks: the work of Pulp, and what tasks work on.
//!
//! A task is a struct: its fields are its arguments, its `run` the body. Dispatching it writes a row, and the
//! row is the truth: everything in Redis, or in the tables of the queue, is an index of rows that can be
//! built again at any time.
//!
//! # Parts, in the order to read them
//!
//! 1. **What a task is**: [`task`] (the trait and the resources a task needs), [`context`] (what a running
//!    task is given; its transactions are fenced by the worker's claim), [`registry`] (from a name to a
//!    running task), [`progress`].
//! 2. **The queue**, [`queue`]: from the dispatch of a task to its final state.
//!    - `queue::dispatch` writes the row, `queue::style` says in what the two styles of tasking differ.
//!    - Over Redis: `queue::resource_manager` (election, leadership, routing, reconciliation) feeds
//!      `queue::scheduler`, a pure value that decides which task may run where; orders and notices travel
//!      through `queue::redis_style`.
//!    - Without Redis: `queue::postgres_style`, where workers claim what is ready, wake each other, and one
//!      coordinates.
//!    - `queue::worker` is a worker of either style; its loops claim, `queue::runner` runs a claimed task,
//!      `queue::claims` records how it ended.
//!    - `queue::process`, `heartbeat`, `presence` and `reaper`: who is alive, and what becomes of the tasks
//!      of who is not.
//!    - `queue::schedules` and `housekeeping`: what the leader or the coordinator does for all.
//!    - `queue::inspect`: what `pulpcore queue info` and `pulpcore tasks doctor` show and repair.
//! 3. **What tasks work on**: [`version`] (drafts of repository versions), [`download`], [`sync`] (the
//!    pipeline from a source's units to a version), [`units`] (content as it is saved), [`creation`],
//!    [`publish`], [`content_type`] and [`repository_type`] (what a plugin declares), [`cleanup`] (what
//!    failed tasks left).
//! 4. **The core's own tasks**: [`tasks`].

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
