//! Artifacts and their bytes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::store::artifacts;
use crate::sha256;

/// Artifacts whose bytes are not there, other than those that were `damaged`. A row that goes meanwhile does
/// not count.
pub async fn missing(
    database: &mut PgConnection,
    media: &Path,
    damaged: &HashSet<PathBuf>,
) -> sqlx::Result<Vec<String>> {
    let mut missing = Vec::new();
    for row in sqlx::query("SELECT pulp_id, file, size FROM artifact").fetch_all(&mut *database).await? {
        let (id, file, size): (Uuid, String, i64) = (row.get("pulp_id"), row.get("file"), row.get("size"));
        let there = || media.join(&file).metadata().is_ok_and(|found| found.len() == size.cast_unsigned());
        if there() || damaged.contains(&media.join(&file)) {
            continue;
        }
        let row = sqlx::query("SELECT FROM artifact WHERE pulp_id = $1").bind(id);
        if row.fetch_optional(&mut *database).await?.is_some() && !there() {
            missing.push(format!("artifact {id}: {file} is not there with {size} bytes"));
        }
    }
    Ok(missing)
}

/// What is wrong at the end, when nothing runs: bytes that are not the row's. And how many files have neither
/// a row nor a tombstone: a process that is killed between giving a file its name and committing the row
/// leaves one.
pub async fn at_the_end(database: &mut PgConnection, media: &Path) -> (Vec<String>, usize) {
    let mut wrong = missing(database, media, &HashSet::new()).await.unwrap();
    let mut known: HashSet<PathBuf> = HashSet::new();
    for row in sqlx::query("SELECT file, sha256 FROM artifact").fetch_all(&mut *database).await.unwrap() {
        let (file, digest): (String, String) = (row.get("file"), row.get("sha256"));
        let path = media.join(&file);
        if std::fs::read(&path).is_ok_and(|bytes| sha256(&bytes) != digest) {
            wrong.push(format!("{file} holds other bytes"));
        }
        known.insert(path);
    }
    let dead: Vec<String> =
        sqlx::query_scalar("SELECT file FROM artifact_tombstone").fetch_all(&mut *database).await.unwrap();
    known.extend(dead.iter().map(|file| media.join(file)));
    let unknown = artifacts(media).into_iter().filter(|file| !known.contains(file)).count();
    (wrong, unknown)
}
