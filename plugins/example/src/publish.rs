//! Publication: the artifacts of a version under their own paths, and a generated index.

use futures_util::StreamExt;
use plugin::tasking::publish::{Publication, Publishing};
use plugin::tasking::{Resources, Task, TaskContext, units, version};
use serde::{Deserialize, Serialize};

use crate::index::Entry;

#[derive(Debug, Serialize, Deserialize)]
pub struct Publish(pub Publishing);

impl Task for Publish {
    const NAME: &'static str = "pulp_note.app.tasks.publish";

    fn resources(&self) -> Resources {
        self.0.resources(&crate::REPOSITORY)
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let version = version::complete(&cx, self.0.version).await?;
        let notes = units::of_version(&cx, &version).await?;
        let mut publication = Publication::of(&cx, &version, &crate::PUBLICATION).pass_through();
        publication.metadata_stream("notes.jsonl", notes.map(|note| Entry::line(note?))).await?;
        publication.finish().await?;
        Ok(())
    }
}
