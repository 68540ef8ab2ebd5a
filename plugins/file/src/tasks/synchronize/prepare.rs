//! The first half of a batch's way: what of it is there, and the download of what is not.

use std::collections::{BTreeMap, HashMap, HashSet};

use ::entities::checksum::{Digests, Expected};
use ::entities::storage::Staged;
use ::entities::{artifact, db, remote};
use anyhow::Context;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use sea_orm::ConnectionTrait;
use tasking::TaskContext;
use tasking::download::Downloader;
use tokio::sync::Semaphore;
use url::Url;
use uuid::Uuid;

use super::save::Unit;
use crate::manifest::Entry;

/// Looks up and downloads batches for one sync.
pub(super) struct Prepare {
    cx: TaskContext,
    repository: Uuid,
    remote: Uuid,
    base: Url,
    /// Whether the bytes are wanted now (C20).
    immediate: bool,
    downloader: Downloader,
    /// One permit a download, over all batches.
    downloads: Semaphore,
}

/// A batch that is ready to be saved.
#[derive(Debug)]
pub(super) struct Batch {
    /// Units that the repository has just as listed, by path: nothing to do but to note them.
    pub(super) settled: Vec<(String, Uuid)>,
    /// The others.
    pub(super) units: Vec<Unit>,
    /// Downloaded bytes of the others.
    pub(super) staged: Vec<Staged>,
}

impl Batch {
    pub(super) fn entries(&self) -> usize {
        self.settled.len() + self.units.len()
    }

    pub(super) fn downloads(&self) -> usize {
        self.staged.len()
    }
}

impl Prepare {
    pub(super) fn new(
        cx: TaskContext,
        repository: Uuid,
        remote: remote::Model,
        downloader: Downloader,
    ) -> anyhow::Result<Prepare> {
        let mut base = Url::parse(&remote.url).with_context(|| format!("{:?} is not a URL", remote.url))?;
        base.path_segments_mut().ok().with_context(|| format!("{:?} has no path", remote.url))?.pop();
        Ok(Prepare {
            cx,
            repository,
            remote: remote.pulp_id,
            base,
            immediate: remote.policy == "immediate",
            downloads: Semaphore::new(downloader.concurrency()),
            downloader,
        })
    }

    /// Takes one batch as far as it goes without writing rows.
    pub(super) async fn batch(&self, entries: Vec<Entry>) -> anyhow::Result<Batch> {
        let entries = unique(entries)?;
        let settled = self.settled(&entries).await?;
        let mut batch = Batch { settled: Vec::new(), units: Vec::new(), staged: Vec::new() };
        for entry in entries.into_values() {
            match settled.get(&entry.relative_path) {
                Some(content) => batch.settled.push((entry.relative_path, *content)),
                None => batch.units.push(self.unit(entry)),
            }
        }
        if self.immediate {
            batch.staged = self.download(&batch.units).await?;
        }
        Ok(batch)
    }

    fn unit(&self, entry: Entry) -> Unit {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(entry.relative_path.split('/'));
        }
        Unit {
            relative_path: entry.relative_path,
            sha256: entry.sha256,
            size: entry.size,
            artifact: None,
            url: Some(url.into()),
        }
    }

    /// Which entries the repository's new version has already, with a source here and, if wanted, with bytes.
    async fn settled(&self, entries: &BTreeMap<String, Entry>) -> anyhow::Result<HashMap<String, Uuid>> {
        // OFFSET 0: one step into an index for each entry, however little the planner knows of fresh rows.
        let sql = "SELECT file.relative_path, file.content_id
                   FROM unnest($1::text[], $2::text[]) AS entry (relative_path, sha256)
                   CROSS JOIN LATERAL (
                       SELECT content_id, relative_path FROM file_content
                       WHERE pulp_domain_id = $3 AND relative_path = entry.relative_path COLLATE \"C\"
                         AND sha256 = entry.sha256 OFFSET 0) AS file
                   CROSS JOIN LATERAL (
                       SELECT FROM repository_content
                       WHERE repository_id = $5 AND content_id = file.content_id
                         AND version_removed IS NULL OFFSET 0) AS present
                   CROSS JOIN LATERAL (
                       SELECT pulp_id FROM content_artifact
                       WHERE content_id = file.content_id AND (artifact_id IS NOT NULL OR NOT $6)
                       OFFSET 0) AS held
                   CROSS JOIN LATERAL (
                       SELECT FROM remote_artifact
                       WHERE content_artifact_id = held.pulp_id AND remote_id = $4
                         AND starts_with(url, $7) OFFSET 0) AS source";
        let values = [
            entries.keys().cloned().collect::<Vec<_>>().into(),
            entries.values().map(|entry| entry.sha256.clone()).collect::<Vec<_>>().into(),
            self.cx.domain().into(),
            self.remote.into(),
            self.repository.into(),
            self.immediate.into(),
            self.base.as_str().into(),
        ];
        let rows = self.cx.pulp().db.query_all_raw(db::sql(sql, values)).await?;
        rows.iter()
            .map(|row| Ok((row.try_get("", "relative_path")?, row.try_get("", "content_id")?)))
            .collect()
    }

    /// Downloads the bytes that no artifact holds, each once.
    async fn download(&self, units: &[Unit]) -> anyhow::Result<Vec<Staged>> {
        let digests: Vec<String> = units.iter().map(|unit| unit.sha256.clone()).collect();
        let stored = artifact::find_by_sha256(&self.cx.pulp().db, self.cx.domain(), &digests).await?;
        let mut asked: HashSet<&str> = HashSet::new();
        let downloads: FuturesUnordered<_> = units
            .iter()
            .filter(|unit| !stored.contains_key(&unit.sha256) && asked.insert(&unit.sha256))
            .map(|unit| self.fetch(unit))
            .collect();
        downloads.try_collect().await
    }

    async fn fetch(&self, unit: &Unit) -> anyhow::Result<Staged> {
        let _permit = self.downloads.acquire().await?;
        let expected = Expected { size: Some(unit.size), digests: Digests::sha256(unit.sha256.as_str()) };
        let url = unit.url.as_deref().unwrap_or_default();
        Ok(self.downloader.fetch(url, &expected).await?)
    }
}

/// The entries by path, identical lines once.
fn unique(entries: Vec<Entry>) -> anyhow::Result<BTreeMap<String, Entry>> {
    let mut by_path: BTreeMap<String, Entry> = BTreeMap::new();
    for entry in entries {
        match by_path.get(&entry.relative_path) {
            Some(same) if *same == entry => {}
            Some(_) => anyhow::bail!(duplicate(&entry.relative_path)),
            None => {
                by_path.insert(entry.relative_path.clone(), entry);
            }
        }
    }
    Ok(by_path)
}

/// What a user reads of a path that the manifest lists twice.
pub(super) fn duplicate(path: &str) -> String {
    format!("the manifest lists the path {path:?} twice, with different files")
}
