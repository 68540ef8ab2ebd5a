//! Storing bytes as artifacts: first the files, on disk under their final names, then the rows.
//!
//! The files are written while no transaction is open: a store that hangs holds no session of the database.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction};
use uuid::Uuid;

use super::{Model, bucket, find_by_sha256, touch};
use crate::checksum::Algorithm;
use crate::storage::{Staged, Storage};
use crate::{Error, Result, db};

/// For so long after its file was looked at, nobody can have deleted it: a tombstone is older when its file
/// goes.
const FRESH: Duration = Duration::from_secs(2);

/// Bytes that are on disk under their final names, and rows of which [`save`] makes.
#[derive(Debug)]
pub struct Kept {
    staged: Vec<Staged>,
    written: HashSet<String>,
    at: Instant,
}

/// Writes the bytes of artifacts of a domain to where they stay, and waits until the disk has them.
///
/// A row is no proof of bytes: a stored file that is missing or has another length is written again.
///
/// # Errors
/// If the database or the store refuses, or the store is not that of this installation.
pub async fn keep(
    db: &DatabaseConnection,
    storage: &Storage,
    domain: Uuid,
    staged: Vec<Staged>,
) -> Result<Kept> {
    let at = Instant::now();
    if staged.is_empty() {
        return Ok(Kept { staged, written: HashSet::new(), at });
    }
    let unique = by_digest(&staged);
    let digests: Vec<String> = unique.keys().map(|digest| (*digest).to_owned()).collect();
    let rows = find_by_sha256(db, domain, &digests).await?;
    let (known, mut lacking): (Vec<&Staged>, Vec<&Staged>) =
        unique.values().partition(|staged| rows.contains_key(staged.sha256()));
    lacking.extend(lost(storage, known).await?);
    write(storage, &lacking).await?;
    let written = lacking.iter().map(|staged| staged.sha256().to_owned()).collect();
    Ok(Kept { staged, written, at })
}

/// Makes the rows of kept bytes, in the caller's transaction, and returns them in the order of the bytes.
///
/// The lock keeps the collector from deleting a file before the commit. What was collected since it was kept
/// is written again, and the tombstone of what was to be collected goes. Give at most a few hundred at a
/// time: the transaction holds its locks meanwhile.
///
/// # Errors
/// If the database refuses, or a file is gone and cannot be written again.
pub async fn save(
    txn: &DatabaseTransaction,
    storage: &Storage,
    domain: Uuid,
    kept: &Kept,
) -> Result<Vec<Model>> {
    if kept.staged.is_empty() {
        return Ok(Vec::new());
    }
    let unique = by_digest(&kept.staged);
    let digests: Vec<String> = unique.keys().map(|digest| (*digest).to_owned()).collect();
    let buckets: BTreeSet<i32> = unique.keys().filter_map(|digest| bucket(digest)).collect();
    db::lock_shared(txn, db::lock::ARTIFACT, buckets.into_iter().collect()).await?;

    let mut rows = touch(txn, domain, &digests).await?;
    let new: Vec<&Staged> =
        unique.iter().filter(|(digest, _)| !rows.contains_key(**digest)).map(|(_, staged)| *staged).collect();
    kept.write_collected(storage, &new).await?;
    insert(txn, domain, &new).await?;
    delete_tombstones(txn, domain, &digests).await?;

    let absent: Vec<String> = digests.into_iter().filter(|digest| !rows.contains_key(digest)).collect();
    rows.extend(find_by_sha256(txn, domain, &absent).await?);
    in_order(&kept.staged, &rows)
}

impl Kept {
    /// Writes again what lost its row, and its file with it, after it was looked at.
    async fn write_collected(&self, storage: &Storage, new: &[&Staged]) -> Result<()> {
        let is_fresh = self.at.elapsed() < FRESH;
        let doubtful = new.iter().filter(|staged| !is_fresh || !self.written.contains(staged.sha256()));
        let gone = lost(storage, doubtful.copied().collect()).await?;
        write(storage, &gone).await
    }
}

/// Those whose files are missing, or have another length.
async fn lost<'a>(storage: &Storage, staged: Vec<&'a Staged>) -> Result<Vec<&'a Staged>> {
    let files = staged.iter().map(|staged| (Storage::artifact_path(staged.sha256()), staged.size));
    let held = storage.holds(files).await?;
    Ok(staged.into_iter().zip(held).filter(|(_, is_held)| !is_held).map(|(staged, _)| staged).collect())
}

async fn write(storage: &Storage, staged: &[&Staged]) -> Result<()> {
    let paths: Vec<String> = staged.iter().map(|staged| Storage::artifact_path(staged.sha256())).collect();
    storage.keep(staged.iter().copied().zip(paths.iter().map(String::as_str))).await
}

fn by_digest(staged: &[Staged]) -> BTreeMap<&str, &Staged> {
    staged.iter().map(|staged| (staged.sha256(), staged)).collect()
}

fn in_order(staged: &[Staged], rows: &HashMap<String, Model>) -> Result<Vec<Model>> {
    let row = |staged: &Staged| rows.get(staged.sha256()).cloned();
    staged
        .iter()
        .map(|staged| row(staged).ok_or_else(|| Error::not_found("artifact", staged.sha256())))
        .collect()
}

async fn insert(txn: &DatabaseTransaction, domain: Uuid, staged: &[&Staged]) -> Result<()> {
    // An array of the driver holds no nulls: a digest that is not known is the empty string on its way.
    let column = |algorithm| -> sea_orm::Value {
        let digest = |staged: &&Staged| staged.digests.get(algorithm).unwrap_or_default().to_owned();
        staged.iter().map(digest).collect::<Vec<_>>().into()
    };
    if staged.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO artifact
                   (pulp_id, pulp_domain_id, file, size, md5, sha1, sha224, sha256, sha384, sha512)
               SELECT id, $1, 'artifact/' || left(sha256, 2) || '/' || substr(sha256, 3),
                      size, nullif(md5, ''), nullif(sha1, ''), nullif(sha224, ''), sha256, nullif(sha384, ''),
                      nullif(sha512, '')
               FROM unnest($2::uuid[], $3::int8[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                           $9::text[])
                   AS new (id, size, md5, sha1, sha224, sha256, sha384, sha512)
               ON CONFLICT (pulp_domain_id, sha256) DO UPDATE SET timestamp_of_interest = clock_timestamp()";
    let [md5, sha1, sha224, sha256, sha384, sha512] = Algorithm::ALL.map(column);
    let values = [
        domain.into(),
        staged.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>().into(),
        staged.iter().map(|staged| staged.size as i64).collect::<Vec<_>>().into(),
        md5,
        sha1,
        sha224,
        sha256,
        sha384,
        sha512,
    ];
    txn.execute_raw(db::sql(sql, values)).await?;
    Ok(())
}

async fn delete_tombstones(txn: &DatabaseTransaction, domain: Uuid, digests: &[String]) -> Result<()> {
    let sql = "DELETE FROM artifact_tombstone WHERE pulp_domain_id = $1 AND sha256 = ANY($2)";
    txn.execute_raw(db::sql(sql, [domain.into(), digests.to_vec().into()])).await?;
    Ok(())
}
