//! The second half of a batch's way: artifacts, content and membership, in one transaction.

use std::collections::HashMap;

use ::entities::{artifact, db};
use anyhow::Context;
use sea_orm::ConnectionTrait;
use tasking::version::Draft;
use tasking::{FencedTransaction, TaskContext};
use uuid::Uuid;

use super::prepare::{Batch, duplicate};
use crate::kinds;

/// A file that is to be a unit of content.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// Its path.
    pub(crate) relative_path: String,
    /// Digest of its bytes.
    pub(crate) sha256: String,
    /// Their length.
    pub(crate) size: u64,
    /// Their artifact, if they are stored.
    pub(crate) artifact: Option<Uuid>,
    /// Where the remote has them, if there is a remote.
    pub(crate) url: Option<String>,
}

impl Unit {
    /// A file whose bytes are stored.
    pub(crate) fn stored(relative_path: String, artifact: &artifact::Model) -> Unit {
        Unit {
            relative_path,
            sha256: artifact.sha256.clone(),
            size: artifact.size.unsigned_abs(),
            artifact: Some(artifact.pulp_id),
            url: None,
        }
    }
}

/// Saves a batch and adds it to the version; answers how many units were added.
pub(super) async fn save_batch(
    cx: &TaskContext,
    draft: &Draft,
    remote: Uuid,
    mut batch: Batch,
) -> anyhow::Result<usize> {
    let txn = cx.begin().await?;
    artifact::save(&txn, &cx.pulp().storage, cx.domain(), &batch.staged).await?;
    let digests: Vec<String> = batch.units.iter().map(|unit| unit.sha256.clone()).collect();
    let artifacts = artifact::touch(&*txn, cx.domain(), &digests).await?;
    for unit in &mut batch.units {
        unit.artifact = artifacts.get(&unit.sha256).map(|artifact| artifact.pulp_id);
    }
    let saved = save_units(&txn, cx.domain(), &batch.units, Some(remote)).await?;
    draft.add_in(&txn, &saved).await?;

    let mut listed = batch.settled;
    listed.extend(batch.units.into_iter().map(|unit| unit.relative_path).zip(saved.iter().copied()));
    note(&txn, cx.task_id(), listed).await?;
    txn.commit().await?;
    Ok(saved.len())
}

/// Notes what the manifest lists, and finds a path that an earlier batch had with another file.
async fn note(txn: &FencedTransaction, task: Uuid, listed: Vec<(String, Uuid)>) -> anyhow::Result<()> {
    let (paths, contents): (Vec<String>, Vec<Uuid>) = listed.iter().cloned().unzip();
    let listed: HashMap<String, Uuid> = listed.into_iter().collect();
    let sql = "INSERT INTO file_sync_entry (task_id, relative_path, content_id)
               SELECT $1, * FROM unnest($2::text[], $3::uuid[])
               ON CONFLICT (task_id, relative_path) DO UPDATE SET content_id = file_sync_entry.content_id
               RETURNING relative_path, content_id";
    let rows = txn.query_all_raw(db::sql(sql, [task.into(), paths.into(), contents.into()])).await?;
    for row in rows {
        let path: String = row.try_get("", "relative_path")?;
        let first: Uuid = row.try_get("", "content_id")?;
        anyhow::ensure!(listed.get(&path) == Some(&first), duplicate(&path));
    }
    Ok(())
}

/// Makes the units that are not there, links bytes and sources to those that are, and answers the units in order.
///
/// Rows are written in the order of their keys, so that two tasks with the same units wait for each other instead of
/// ending in a deadlock.
pub(crate) async fn save_units(
    txn: &FencedTransaction,
    domain: Uuid,
    units: &[Unit],
    remote: Option<Uuid>,
) -> anyhow::Result<Vec<Uuid>> {
    if units.is_empty() {
        return Ok(Vec::new());
    }
    insert(txn, domain, units).await?;
    let found = find(txn, domain, units).await?;
    let lookup = |unit: &Unit| {
        let key = (unit.relative_path.clone(), unit.sha256.clone());
        found.get(&key).with_context(|| format!("the unit {:?} was not stored", unit.relative_path))
    };
    let mut contents = Vec::with_capacity(units.len());
    let mut stored: (Vec<Uuid>, Vec<Uuid>) = Default::default();
    let mut sources: (Vec<Uuid>, Vec<String>, Vec<i64>, Vec<String>) = Default::default();
    for unit in units {
        let unit_found = lookup(unit)?;
        contents.push(unit_found.content);
        if let Some(artifact) = unit.artifact.filter(|_| !unit_found.is_stored) {
            stored.0.push(unit_found.file);
            stored.1.push(artifact);
        }
        if let Some(url) = &unit.url {
            sources.0.push(unit_found.file);
            sources.1.push(url.clone());
            sources.2.push(i64::try_from(unit.size)?);
            sources.3.push(unit.sha256.clone());
        }
    }
    link(txn, stored).await?;
    if let Some(remote) = remote {
        add_sources(txn, remote, sources).await?;
    }
    Ok(contents)
}

/// Sets the labels of a unit.
pub(crate) async fn label(
    txn: &FencedTransaction,
    content: Uuid,
    labels: serde_json::Map<String, serde_json::Value>,
) -> anyhow::Result<()> {
    let sql = "UPDATE content SET pulp_labels = $2 WHERE pulp_id = $1";
    txn.execute_raw(db::sql(sql, [content.into(), serde_json::Value::Object(labels).into()])).await?;
    Ok(())
}

async fn insert(txn: &FencedTransaction, domain: Uuid, units: &[Unit]) -> anyhow::Result<()> {
    let sql = "WITH new AS (
                   INSERT INTO file_content (content_id, pulp_domain_id, relative_path, sha256)
                   SELECT id, $1, relative_path, sha256
                   FROM unnest($2::uuid[], $3::text[], $4::text[]) AS unit (id, relative_path, sha256)
                   ORDER BY relative_path COLLATE \"C\", sha256
                   ON CONFLICT DO NOTHING RETURNING content_id, relative_path),
               parent AS (
                   INSERT INTO content (pulp_id, pulp_domain_id, pulp_type) SELECT content_id, $1, $5 FROM new)
               SELECT content_id, relative_path FROM new";
    let values = [
        domain.into(),
        units.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>().into(),
        units.iter().map(|unit| unit.relative_path.clone()).collect::<Vec<_>>().into(),
        units.iter().map(|unit| unit.sha256.clone()).collect::<Vec<_>>().into(),
        kinds::PULP_TYPE.into(),
    ];
    let rows = txn.query_all_raw(db::sql(sql, values)).await?;
    let mut contents: Vec<Uuid> = Vec::with_capacity(rows.len());
    let mut paths: Vec<String> = Vec::with_capacity(rows.len());
    for row in &rows {
        contents.push(row.try_get("", "content_id")?);
        paths.push(row.try_get("", "relative_path")?);
    }
    let sql = "INSERT INTO content_artifact (pulp_id, content_id, relative_path)
               SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[])";
    let ids: Vec<Uuid> = rows.iter().map(|_| Uuid::now_v7()).collect();
    txn.execute_raw(db::sql(sql, [ids.into(), contents.into(), paths.into()])).await?;
    Ok(())
}

/// A unit that is in the database.
struct Found {
    content: Uuid,
    file: Uuid,
    is_stored: bool,
}

/// The units by path and digest, kept from orphan cleanup from now on.
async fn find(
    txn: &FencedTransaction,
    domain: Uuid,
    units: &[Unit],
) -> anyhow::Result<HashMap<(String, String), Found>> {
    let sql = "WITH found AS MATERIALIZED (
                   SELECT file_content.content_id, file_content.relative_path, file_content.sha256
                   FROM unnest($2::text[], $3::text[]) AS unit (relative_path, sha256)
                   JOIN file_content ON file_content.pulp_domain_id = $1
                       AND file_content.relative_path = unit.relative_path COLLATE \"C\"
                       AND file_content.sha256 = unit.sha256),
               locked AS MATERIALIZED (
                   SELECT pulp_id FROM content WHERE pulp_id IN (SELECT content_id FROM found)
                   ORDER BY pulp_id FOR NO KEY UPDATE),
               touched AS (
                   UPDATE content SET timestamp_of_interest = clock_timestamp() FROM locked
                   WHERE content.pulp_id = locked.pulp_id)
               SELECT found.*, content_artifact.pulp_id AS file, artifact_id IS NOT NULL AS is_stored
               FROM found JOIN content_artifact USING (content_id)";
    let values = [
        domain.into(),
        units.iter().map(|unit| unit.relative_path.clone()).collect::<Vec<_>>().into(),
        units.iter().map(|unit| unit.sha256.clone()).collect::<Vec<_>>().into(),
    ];
    let rows = txn.query_all_raw(db::sql(sql, values)).await?;
    rows.iter()
        .map(|row| {
            let key = (row.try_get("", "relative_path")?, row.try_get("", "sha256")?);
            let found = Found {
                content: row.try_get("", "content_id")?,
                file: row.try_get("", "file")?,
                is_stored: row.try_get("", "is_stored")?,
            };
            Ok((key, found))
        })
        .collect()
}

async fn link(txn: &FencedTransaction, (files, artifacts): (Vec<Uuid>, Vec<Uuid>)) -> anyhow::Result<()> {
    let sql = "UPDATE content_artifact SET artifact_id = new.artifact
               FROM unnest($1::uuid[], $2::uuid[]) AS new (file, artifact)
               WHERE pulp_id = new.file AND artifact_id IS NULL";
    txn.execute_raw(db::sql(sql, [files.into(), artifacts.into()])).await?;
    Ok(())
}

async fn add_sources(
    txn: &FencedTransaction,
    remote: Uuid,
    (files, urls, sizes, digests): (Vec<Uuid>, Vec<String>, Vec<i64>, Vec<String>),
) -> anyhow::Result<()> {
    let sql = "INSERT INTO remote_artifact (pulp_id, remote_id, content_artifact_id, url, size, sha256)
               SELECT id, $1, file, url, size, sha256
               FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::int8[], $6::text[])
                   AS source (id, file, url, size, sha256)
               ORDER BY file
               ON CONFLICT (content_artifact_id, remote_id) DO UPDATE
               SET url = excluded.url, size = excluded.size, sha256 = excluded.sha256, failed_at = NULL";
    let ids: Vec<Uuid> = files.iter().map(|_| Uuid::now_v7()).collect();
    let values = [remote.into(), ids.into(), files.into(), urls.into(), sizes.into(), digests.into()];
    txn.execute_raw(db::sql(sql, values)).await?;
    Ok(())
}
