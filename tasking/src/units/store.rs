//! Units with all that comes with them, stored in one transaction.

use std::collections::{BTreeSet, HashMap};

use anyhow::Context;
use entities::artifact::Kept;
use entities::checksum::Algorithm;
use entities::storage::{Staged, Storage};
use entities::{Pulp, artifact, db};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::{DeclaredArtifact, Unit, save};

/// Writes the bytes of units to where they stay, before a transaction begins. `downloaded` are bytes of the
/// units' artifacts.
///
/// # Errors
/// If the database or the storage is away.
pub(crate) async fn keep(
    pulp: &Pulp,
    domain: Uuid,
    units: &mut [Unit],
    downloaded: Vec<Staged>,
) -> anyhow::Result<Kept> {
    let mut staged = downloaded;
    staged
        .extend(units.iter_mut().flat_map(|unit| &mut unit.artifacts).filter_map(|file| file.staged.take()));
    Ok(artifact::keep(&pulp.db, &pulp.storage, domain, staged).await?)
}

/// Makes artifacts of kept bytes, finds the artifacts of other declared bytes, and saves the units; returns
/// their ids in order.
///
/// # Errors
/// If the database or the storage is away, or a unit cannot be written ([`save`]).
pub(crate) async fn store(
    storage: &Storage,
    domain: Uuid,
    txn: &DatabaseTransaction,
    units: &mut [Unit],
    kept: &Kept,
    remote: Option<Uuid>,
) -> anyhow::Result<Vec<Uuid>> {
    let saved = artifact::save(txn, storage, domain, kept).await?;
    let mut artifacts: HashMap<String, Uuid> =
        saved.into_iter().map(|artifact| (artifact.sha256, artifact.pulp_id)).collect();
    let others: BTreeSet<String> = units
        .iter()
        .flat_map(|unit| &unit.artifacts)
        .filter_map(digest)
        .filter(|digest| !artifacts.contains_key(*digest))
        .map(str::to_owned)
        .collect();
    if !others.is_empty() {
        let stored = artifact::touch(txn, domain, &Vec::from_iter(others)).await?;
        artifacts.extend(stored.into_iter().map(|(digest, artifact)| (digest, artifact.pulp_id)));
    }
    for declared in units.iter_mut().flat_map(|unit| &mut unit.artifacts) {
        declared.artifact = digest(declared).and_then(|digest| artifacts.get(digest).copied());
    }
    save::save(txn, domain, units, remote).await
}

/// Finds or creates one unit outside of a task, such as a file that the content app has pulled through, with
/// its staged artifacts; returns its id. The unit is in no repository. `remote` is where artifacts with a URL
/// come from.
///
/// # Errors
/// If the database or the storage is away, or the unit lacks a column of its key or refers to another one.
pub async fn create(pulp: &Pulp, domain: Uuid, remote: Option<Uuid>, unit: Unit) -> anyhow::Result<Uuid> {
    let mut units = [unit];
    let kept = keep(pulp, domain, &mut units, Vec::new()).await?;
    let txn = db::begin(&pulp.db).await?;
    let ids = store(&pulp.storage, domain, &txn, &mut units, &kept, remote).await?;
    txn.commit().await?;
    ids.first().copied().context("the unit was not stored")
}

/// What the bytes are known by.
fn digest(artifact: &DeclaredArtifact) -> Option<&str> {
    artifact.sha256.as_deref().or_else(|| artifact.expected.digests.get(Algorithm::Sha256))
}
