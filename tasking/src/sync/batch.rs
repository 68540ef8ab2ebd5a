//! A batch of units on its way through the pipeline, and its last step: one transaction.

use entities::storage::Staged;
use uuid::Uuid;

use super::listed;
use crate::TaskContext;
use crate::units::{self, Unit};
use crate::version::Draft;

/// A batch that is ready to be saved.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Units that the version has just as declared: nothing to do but to note them.
    pub(super) settled: Vec<(Unit, Uuid)>,
    /// The others.
    pub(super) units: Vec<Unit>,
    /// Bytes of the others that were downloaded.
    pub(super) staged: Vec<Staged>,
}

impl Batch {
    /// Saves the batch and adds it to the version; returns how many units the version did not have.
    pub(super) async fn save(mut self, cx: &TaskContext, draft: &Draft, remote: Uuid) -> anyhow::Result<u64> {
        let (pulp, domain) = (cx.pulp(), cx.domain());
        let kept = units::keep(pulp, domain, &mut self.units, self.staged).await?;
        let txn = cx.begin().await?;
        let saved = units::store(&pulp.storage, domain, &txn, &mut self.units, &kept, Some(remote)).await?;
        let added = draft.add_in(&txn, &saved).await?;
        let all = saved.iter().copied().chain(self.settled.iter().map(|(_, id)| *id)).collect();
        listed::note(&txn, cx.task_id(), all).await?;
        txn.commit().await?;
        let every = self.units.iter().chain(self.settled.iter().map(|(unit, _)| unit));
        every.filter_map(|unit| unit.handle.as_ref()).for_each(|handle| handle.announce());
        Ok(added)
    }
}
