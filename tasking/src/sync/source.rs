//! The first stage of a sync: what declares the units.

use std::future::Future;
use std::sync::Arc;

use anyhow::Context;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::mpsc;

use crate::RepositoryType;
use crate::units::{Handle, Unit};

/// Where the units of a sync come from. It owns what it needs, such as a [`crate::download::Downloader`], and
/// runs beside the rest of the pipeline.
pub trait Source: Send + 'static {
    /// Declares all units, one after another.
    ///
    /// # Errors
    /// Any error ends the sync and becomes the description of the failed task.
    fn units(self, found: Found) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Units that need nothing of each other: a stream of them is all that declares them.
impl Source for BoxStream<'static, anyhow::Result<Unit>> {
    async fn units(mut self, found: Found) -> anyhow::Result<()> {
        while let Some(unit) = self.try_next().await? {
            found.add(unit).await?;
        }
        Ok(())
    }
}

/// Takes the units that a source declares.
#[derive(Debug)]
pub struct Found {
    units: mpsc::Sender<Unit>,
    types: Arc<RepositoryType>,
}

impl Found {
    pub(super) fn new(units: mpsc::Sender<Unit>, types: Arc<RepositoryType>) -> Found {
        Found { units, types }
    }

    /// Declares a unit. Waits while the pipeline is busy with earlier ones.
    ///
    /// # Errors
    /// If the repository does not take such content, or the sync has failed.
    pub async fn add(&self, unit: Unit) -> anyhow::Result<()> {
        let pulp_type = unit.content.kind.type_name();
        anyhow::ensure!(
            self.types.accepts(pulp_type),
            "a {} repository does not take {pulp_type} content",
            self.types.kind().type_name()
        );
        self.units.send(unit).await.ok().context("the sync has ended before its source")
    }

    /// As [`Found::add`], for a unit that later ones refer to, or from which more units follow.
    ///
    /// # Errors
    /// As [`Found::add`].
    pub async fn declare(&self, mut unit: Unit) -> anyhow::Result<Handle> {
        let handle = Handle::new();
        unit.handle = Some(handle.clone());
        self.add(unit).await?;
        Ok(handle)
    }
}
