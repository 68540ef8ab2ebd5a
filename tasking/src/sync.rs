//! Sync: a pipeline from the units that a source declares to a new version of a repository.
//!
//! What a plugin writes is a [`Source`]: it reads the upstream's metadata and declares units as it finds
//! them. All that follows is the same for every type of content and happens here, in batches and with
//! back-pressure, so that memory does not grow with the repository:
//!
//! 1. a batch is looked up: which units, bytes and sources are known already;
//! 2. bytes that are wanted now and not stored are downloaded, at most `download_concurrency` at a time;
//! 3. the batch is saved in one fenced transaction: artifacts, units, sources, and its membership in the new
//!    version. Units that refer to others are written after those.
//!
//! At the end a mirror drops what was not declared, and the version becomes visible. A task that is canceled
//! or fails leaves no version; units and artifacts that it has saved already are orphans until the next sync
//! uses them.
//!
//! ```no_run
//! # use tasking::sync::{Found, Pipeline, Source};
//! # use tasking::{TaskContext, units::Unit};
//! # use uuid::Uuid;
//! struct Index(Vec<Unit>);
//!
//! impl Source for Index {
//!     async fn units(self, found: Found) -> anyhow::Result<()> {
//!         for unit in self.0 {
//!             found.add(unit).await?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # async fn synchronize(cx: TaskContext, repository: Uuid, remote: Uuid) -> anyhow::Result<()> {
//! let pipeline = Pipeline::begin(&cx, repository, remote).await?.mirror(true);
//! let index = Index(Vec::new()); // from what `pipeline.downloader()` fetches
//! pipeline.run(index).await?;
//! # Ok(())
//! # }
//! ```

mod batch;
mod lines;
mod listed;
mod pipeline;
mod prepare;
mod source;
mod synchronization;
mod unchanged;

pub use lines::lines;
pub use pipeline::Pipeline;
pub use source::{Found, Source};
pub use synchronization::Synchronization;
