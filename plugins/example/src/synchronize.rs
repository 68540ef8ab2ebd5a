//! Sync: declares what an upstream has. The core's pipeline downloads and saves what is not known yet.

use futures_util::StreamExt;
use plugin::entities::checksum::{Digests, Expected};
use plugin::entities::row;
use plugin::tasking::sync::{Synchronization, lines};
use plugin::tasking::units::{DeclaredArtifact, Unit};
use plugin::tasking::{Resources, Task, TaskContext};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::api::NoteRemote;
use crate::index::Entry;
use crate::note::paths;

/// The task: a value that holds its arguments.
#[derive(Debug, Serialize, Deserialize)]
pub struct Synchronize(pub Synchronization);

impl Task for Synchronize {
    const NAME: &'static str = "pulp_note.app.tasks.synchronize";

    /// What no other task may change or, if it is exclusive, use meanwhile.
    fn resources(&self) -> Resources {
        self.0.resources(&crate::REPOSITORY, &crate::REMOTE)
    }

    async fn run(self, cx: TaskContext) -> anyhow::Result<()> {
        let pipeline = self.0.begin(&cx).await?;
        let url = Url::parse(&pipeline.remote().url)?;
        let remote: NoteRemote = row::details(&pipeline.remote().details)?;
        let index = pipeline.downloader().fetch_metadata(url.as_str()).await?;
        let pipeline = pipeline
            .fingerprint("index_checksum", index.sha256())
            .fingerprint("require_signatures", remote.require_signatures);
        if self.0.optimize && pipeline.is_unchanged() {
            return pipeline.skip().await;
        }
        let entries = lines(&cx, &index, url.as_str(), Entry::parse).await?;
        pipeline.run(entries.map(move |entry| unit(entry?, &url, &remote)).boxed()).await?;
        pipeline.remember().await
    }
}

/// A note with its artifacts, files beside the index: they are downloaded when the policy of the remote says.
fn unit(Entry { note, signature }: Entry, index: &Url, remote: &NoteRemote) -> anyhow::Result<Unit> {
    let is_enough = signature.is_some() || !remote.require_signatures;
    anyhow::ensure!(is_enough, "the remote requires signatures, and the note {:?} has none", note.name);
    let digests = [Some(note.sha256.clone()), signature];
    let mut unit = Unit::of(&note)?;
    for (path, digest) in paths(&note.name).into_iter().zip(digests.into_iter().flatten()) {
        let (url, expected) =
            (index.join(&path)?, Expected { size: None, digests: Digests::parse_sha256(&digest)? });
        unit = unit.with(DeclaredArtifact::remote(path, url, expected));
    }
    Ok(unit)
}
