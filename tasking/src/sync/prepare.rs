//! The first steps of a batch: what of it is there, and the download of what is not.

use std::collections::HashSet;

use entities::artifact;
use entities::checksum::Algorithm;
use entities::remote;
use entities::storage::Staged;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::batch::Batch;
use crate::TaskContext;
use crate::download::Downloader;
use crate::units::{self, DeclaredArtifact, State, Unit};

/// Looks up and downloads batches for one sync.
#[derive(Debug)]
pub(super) struct Prepare {
    cx: TaskContext,
    repository: Uuid,
    remote: Uuid,
    /// Whether all bytes are wanted now (C20).
    immediate: bool,
    downloader: Downloader,
    /// One permit a download, over all batches.
    downloads: Semaphore,
}

impl Prepare {
    pub(super) fn new(
        cx: TaskContext,
        repository: Uuid,
        remote: &remote::Model,
        downloader: Downloader,
    ) -> Prepare {
        Prepare {
            cx,
            repository,
            remote: remote.pulp_id,
            immediate: remote.policy == "immediate",
            downloads: Semaphore::new(downloader.concurrency()),
            downloader,
        }
    }

    /// Takes one batch as far as it goes without writing rows.
    pub(super) async fn batch(&self, mut units: Vec<Unit>) -> anyhow::Result<Batch> {
        let states = self.states(&mut units).await?;
        let mut batch = Batch::default();
        let mut stored = Vec::new();
        for (unit, state) in units.into_iter().zip(states) {
            match state.content.filter(|_| self.is_settled(&unit, &state)) {
                Some(id) => batch.settled.push((unit, id)),
                None => {
                    batch.units.push(unit);
                    stored.push(state.stored);
                }
            }
        }
        self.download(&mut batch, &stored).await?;
        Ok(batch)
    }

    /// How much of each unit is there. A unit that refers to settled ones is looked up after those; one that
    /// refers to a unit which is still to be written counts as unknown.
    async fn states(&self, units: &mut [Unit]) -> anyhow::Result<Vec<State>> {
        let (pulp, domain) = (self.cx.pulp(), self.cx.domain());
        let mut states: Vec<State> = units.iter().map(State::unknown).collect();
        let mut waiting: Vec<usize> = (0..units.len()).collect();
        loop {
            let (ready, later): (Vec<usize>, Vec<usize>) =
                waiting.into_iter().partition(|index| units[*index].resolve());
            if ready.is_empty() {
                return Ok(states);
            }
            let asked: Vec<&Unit> = ready.iter().map(|index| &units[*index]).collect();
            let found = units::states(pulp, domain, self.repository, self.remote, &asked).await?;
            for (index, state) in ready.into_iter().zip(found) {
                let unit = &units[index];
                let settled = state.content.filter(|_| self.is_settled(unit, &state));
                if let (Some(handle), Some(id)) = (&unit.handle, settled) {
                    handle.write(id);
                }
                states[index] = state;
            }
            waiting = later;
        }
    }

    /// Whether the new version has the unit already, with a source here and, if wanted, with bytes.
    fn is_settled(&self, unit: &Unit, state: &State) -> bool {
        let wanted = unit.artifacts.iter().map(|artifact| self.wants(artifact));
        state.is_present
            && state.sourced.iter().all(|is_sourced| *is_sourced)
            && wanted.zip(&state.stored).all(|(is_wanted, is_stored)| *is_stored || !is_wanted)
    }

    /// Whether the bytes have to be here at the end of the sync.
    fn wants(&self, artifact: &DeclaredArtifact) -> bool {
        self.immediate || artifact.is_wanted_now || artifact.url.is_none()
    }

    /// Downloads the wanted bytes that no artifact holds, each once.
    async fn download(&self, batch: &mut Batch, stored: &[Vec<bool>]) -> anyhow::Result<()> {
        let mut missing: Vec<&mut DeclaredArtifact> = batch
            .units
            .iter_mut()
            .zip(stored)
            .flat_map(|(unit, stored)| unit.artifacts.iter_mut().zip(stored))
            .filter(|(artifact, is_stored)| !**is_stored && self.wants(artifact) && artifact.sha256.is_none())
            .map(|(artifact, _)| artifact)
            .collect();
        let digest =
            |artifact: &DeclaredArtifact| artifact.expected.digests.get(Algorithm::Sha256).map(str::to_owned);
        let digests: Vec<String> = missing.iter().filter_map(|artifact| digest(artifact)).collect();
        let held = self.held(&digests).await?;
        let mut asked: HashSet<String> = HashSet::new();
        missing.retain(|artifact| match digest(artifact) {
            Some(digest) => !held.contains(&digest) && asked.insert(digest),
            None => true,
        });
        let downloads: FuturesUnordered<_> = missing
            .into_iter()
            .map(|artifact| async move {
                let staged = self.fetch(artifact).await?;
                artifact.sha256 = Some(staged.sha256().to_owned());
                anyhow::Ok(staged)
            })
            .collect();
        let staged: Vec<Staged> = downloads.try_collect().await?;
        batch.staged = staged;
        Ok(())
    }

    /// Those of the digests whose bytes are stored already.
    async fn held(&self, digests: &[String]) -> anyhow::Result<HashSet<String>> {
        if digests.is_empty() {
            return Ok(HashSet::new());
        }
        let pulp = self.cx.pulp();
        let rows = artifact::find_by_sha256(&pulp.db, self.cx.domain(), digests).await?;
        let files = rows.values().map(|row| (row.file.clone(), row.size.unsigned_abs()));
        let held = pulp.storage.holds(files).await?;
        Ok(rows.into_keys().zip(held).filter(|(_, is_held)| *is_held).map(|(digest, _)| digest).collect())
    }

    async fn fetch(&self, artifact: &DeclaredArtifact) -> anyhow::Result<Staged> {
        let _permit = self.downloads.acquire().await?;
        let url = artifact.url.as_deref().unwrap_or_default();
        Ok(self.downloader.fetch(url, &artifact.expected).await?)
    }
}
