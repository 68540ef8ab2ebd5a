//! Writing a batch of units: rows of the type, of `content`, `content_artifact` and `remote_artifact`.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Context;
use entities::checksum::{Algorithm, Expected};
use entities::db;
use sea_orm::{ConnectionTrait, DatabaseTransaction, FromQueryResult};
use uuid::Uuid;

use super::known::{by_type, place};
use super::{Unit, sql};
use crate::ContentType;

#[derive(Debug, FromQueryResult)]
struct NewUnit {
    content_id: Uuid,
}

#[derive(Debug, FromQueryResult)]
struct FoundUnit {
    ordinal: i64,
    content_id: Uuid,
}

#[derive(Debug, FromQueryResult)]
struct HeldArtifact {
    content_id: Uuid,
    relative_path: String,
    pulp_id: Uuid,
    is_stored: bool,
}

const ADD_ARTIFACTS: &str = "
    INSERT INTO content_artifact (pulp_id, content_id, relative_path, artifact_id)
    SELECT id, content, path, nullif(artifact, '00000000-0000-0000-0000-000000000000')
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[]) AS new (id, content, path, artifact)
    ORDER BY content, path
    ON CONFLICT (content_id, relative_path) DO NOTHING";

const HELD_ARTIFACTS: &str = "
    SELECT content_id, relative_path, pulp_id, artifact_id IS NOT NULL AS is_stored
    FROM content_artifact WHERE content_id = ANY($1)";

const LINK_ARTIFACTS: &str = "
    UPDATE content_artifact SET artifact_id = new.artifact
    FROM unnest($1::uuid[], $2::uuid[]) AS new (id, artifact)
    WHERE pulp_id = new.id AND artifact_id IS NULL";

// An array of the driver holds no nulls: what is not known is -1 or the empty string on its way.
const ADD_SOURCES: &str = "
    INSERT INTO remote_artifact
        (pulp_id, remote_id, content_artifact_id, url, size, md5, sha1, sha224, sha256, sha384, sha512)
    SELECT id, $1, file, url, nullif(size, -1), nullif(md5, ''), nullif(sha1, ''), nullif(sha224, ''),
           nullif(sha256, ''), nullif(sha384, ''), nullif(sha512, '')
    FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::int8[], $6::text[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::text[])
        AS source (id, file, url, size, md5, sha1, sha224, sha256, sha384, sha512)
    ORDER BY file
    ON CONFLICT (content_artifact_id, remote_id) DO UPDATE
    SET url = excluded.url, size = excluded.size, md5 = excluded.md5, sha1 = excluded.sha1,
        sha224 = excluded.sha224, sha256 = excluded.sha256, sha384 = excluded.sha384,
        sha512 = excluded.sha512, failed_at = NULL";

/// Finds or creates units, links bytes that are stored and sources that are known, and returns the units in
/// order. All are kept from orphan cleanup from now on. At most a few hundred at a time.
///
/// # Errors
/// If a unit lacks a column of its key, or refers to a unit that is neither written nor among these.
pub(super) async fn save(
    txn: &DatabaseTransaction,
    domain: Uuid,
    units: &mut [Unit],
    remote: Option<Uuid>,
) -> anyhow::Result<Vec<Uuid>> {
    let mut saved = vec![Uuid::nil(); units.len()];
    let mut new = HashSet::new();
    let mut waiting: Vec<usize> = (0..units.len()).collect();
    while !waiting.is_empty() {
        // A unit can only refer to one that was declared before it, so each turn has at least one to write.
        let (ready, later): (Vec<usize>, Vec<usize>) =
            waiting.into_iter().partition(|index| units[*index].resolve());
        let first = later.first().filter(|_| ready.is_empty()).map(|index| units[*index].describe());
        anyhow::ensure!(first.is_none(), "{} refers to a unit that is not saved", first.unwrap_or_default());
        for (content, members) in by_type(ready.iter().map(|index| (*index, &units[*index]))) {
            write(txn, domain, content, units, &members, &mut saved, &mut new).await?;
        }
        for index in ready {
            if let Some(handle) = &units[index].handle {
                handle.write(saved[index]);
            }
        }
        waiting = later;
    }
    add_links(txn, units, &saved).await?;
    let sources = add_artifacts(txn, units, &saved, &new).await?;
    if let Some(remote) = remote {
        add_sources(txn, remote, &sources).await?;
    }
    Ok(saved)
}

/// Writes units of one type; notes their ids and which of them are new.
async fn write(
    txn: &DatabaseTransaction,
    domain: Uuid,
    content: ContentType,
    units: &[Unit],
    members: &[usize],
    saved: &mut [Uuid],
    new: &mut HashSet<Uuid>,
) -> anyhow::Result<()> {
    let row = |index: &usize| {
        let unit = &units[*index];
        unit.check()?;
        Ok(sql::Row { content_id: Uuid::now_v7(), pulp_domain_id: domain, own: &unit.row })
    };
    let rows: Vec<sql::Row<'_>> = members.iter().map(row).collect::<anyhow::Result<_>>()?;
    let values = [sql::rows(&rows)?, content.kind.type_name().into(), domain.into()];
    let statement = db::sql(&sql::insert(content, &sql::columns(&rows)?), values);
    let inserted = NewUnit::find_by_statement(statement).all(txn).await?;
    let inserted: HashSet<Uuid> = inserted.into_iter().map(|row| row.content_id).collect();

    let (mut existing, mut existing_rows) = (Vec::new(), Vec::new());
    for (index, row) in members.iter().zip(rows) {
        match inserted.contains(&row.content_id) {
            true => saved[*index] = row.content_id,
            false => {
                existing.push(*index);
                existing_rows.push(row);
            }
        }
    }
    new.extend(inserted);
    if existing.is_empty() {
        return Ok(());
    }
    let values = [sql::rows(&existing_rows)?, domain.into()];
    for found in FoundUnit::find_by_statement(db::sql(&sql::find(content), values)).all(txn).await? {
        saved[existing[place(found.ordinal)?]] = found.content_id;
    }
    match existing.iter().find(|index| saved[**index].is_nil()) {
        Some(index) => anyhow::bail!("{} was not stored", units[*index].describe()),
        None => Ok(()),
    }
}

async fn add_links(txn: &DatabaseTransaction, units: &[Unit], saved: &[Uuid]) -> anyhow::Result<()> {
    let mut tables: BTreeMap<&str, (Vec<Uuid>, Vec<Uuid>)> = BTreeMap::new();
    for (unit, content) in units.iter().zip(saved) {
        for (table, linked) in &unit.links {
            let (from, to) = tables.entry(table).or_default();
            from.push(*content);
            to.push(*linked);
        }
    }
    for (table, (from, to)) in tables {
        txn.execute_raw(db::sql(&sql::link(table), [from.into(), to.into()])).await?;
    }
    Ok(())
}

/// Where the bytes of an artifact of content can be fetched.
struct SourceOf<'a> {
    url: &'a str,
    expected: &'a Expected,
}

/// Adds and links the artifacts of units; returns the sources of those that have one, by row of
/// `content_artifact`.
async fn add_artifacts<'a>(
    txn: &DatabaseTransaction,
    units: &'a [Unit],
    saved: &[Uuid],
    new: &HashSet<Uuid>,
) -> anyhow::Result<BTreeMap<Uuid, SourceOf<'a>>> {
    let existing: Vec<Uuid> = saved.iter().filter(|id| !new.contains(id)).copied().collect();
    let mut held = held_artifacts(txn, existing).await?;
    let mut added: (Vec<Uuid>, Vec<Uuid>, Vec<String>, Vec<Uuid>) = Default::default();
    let mut linked: (Vec<Uuid>, Vec<Uuid>) = Default::default();
    let mut sources = BTreeMap::new();
    for (unit, content) in units.iter().zip(saved) {
        for artifact in &unit.artifacts {
            let (id, is_stored) =
                *held.entry((*content, artifact.relative_path.clone())).or_insert_with(|| {
                    let id = Uuid::now_v7();
                    added.0.push(id);
                    added.1.push(*content);
                    added.2.push(artifact.relative_path.clone());
                    added.3.push(artifact.artifact.unwrap_or_default());
                    (id, true)
                });
            if let Some(artifact) = artifact.artifact.filter(|_| !is_stored) {
                linked.0.push(id);
                linked.1.push(artifact);
            }
            if let Some(url) = &artifact.url {
                sources.insert(id, SourceOf { url, expected: &artifact.expected });
            }
        }
    }
    if !added.0.is_empty() {
        let values = [added.0.into(), added.1.into(), added.2.into(), added.3.into()];
        txn.execute_raw(db::sql(ADD_ARTIFACTS, values)).await?;
    }
    if !linked.0.is_empty() {
        txn.execute_raw(db::sql(LINK_ARTIFACTS, [linked.0.into(), linked.1.into()])).await?;
    }
    Ok(sources)
}

/// The artifacts of units that exist: their rows, and whether their bytes are stored.
async fn held_artifacts(
    txn: &DatabaseTransaction,
    units: Vec<Uuid>,
) -> anyhow::Result<HashMap<(Uuid, String), (Uuid, bool)>> {
    if units.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = HeldArtifact::find_by_statement(db::sql(HELD_ARTIFACTS, [units.into()])).all(txn).await?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.content_id, row.relative_path), (row.pulp_id, row.is_stored)))
        .collect())
}

async fn add_sources(
    txn: &DatabaseTransaction,
    remote: Uuid,
    sources: &BTreeMap<Uuid, SourceOf<'_>>,
) -> anyhow::Result<()> {
    if sources.is_empty() {
        return Ok(());
    }
    let size = |source: &SourceOf<'_>| source.expected.size.map_or(Ok(-1), i64::try_from);
    let sizes: Vec<i64> =
        sources.values().map(size).collect::<Result<_, _>>().context("a size is too large")?;
    let digests = |algorithm: Algorithm| -> sea_orm::Value {
        let digest =
            |source: &SourceOf<'_>| source.expected.digests.get(algorithm).unwrap_or_default().to_owned();
        sources.values().map(digest).collect::<Vec<_>>().into()
    };
    let [md5, sha1, sha224, sha256, sha384, sha512] = Algorithm::ALL.map(digests);
    let values = [
        remote.into(),
        sources.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>().into(),
        sources.keys().copied().collect::<Vec<_>>().into(),
        sources.values().map(|source| source.url.to_owned()).collect::<Vec<_>>().into(),
        sizes.into(),
        md5,
        sha1,
        sha224,
        sha256,
        sha384,
        sha512,
    ];
    txn.execute_raw(db::sql(ADD_SOURCES, values)).await?;
    Ok(())
}
