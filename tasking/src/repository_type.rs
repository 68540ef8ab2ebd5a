//! What a type of repository adds to the making of a version.

use std::sync::OnceLock;

use entities::{Kind, repository_version};
use futures_util::future::BoxFuture;

use crate::version::Draft;
use crate::{FencedTransaction, TaskContext};

/// The rules of one type of repository; a plugin brings one for each of its types.
pub trait RepositoryType: Send + Sync {
    /// The kind of the repositories.
    fn kind(&self) -> &'static Kind;

    /// Settles conflicts between units of a version that is about to be complete, in its last transaction: an added
    /// unit replaces an older one of the same key; what cannot be settled is an error (C13).
    fn settle<'a>(
        &'a self,
        txn: &'a FencedTransaction,
        draft: &'a Draft,
    ) -> BoxFuture<'a, anyhow::Result<()>>;

    /// Called after a version is complete, in the task that made it; publishes it if the repository wants it (C23).
    fn completed<'a>(
        &'a self,
        cx: &'a TaskContext,
        version: &'a repository_version::Model,
    ) -> BoxFuture<'a, anyhow::Result<()>>;
}

static TYPES: OnceLock<Vec<&'static dyn RepositoryType>> = OnceLock::new();

/// Makes the plugins' types known; every process does so once at its start. Later calls change nothing.
pub fn install(types: Vec<&'static dyn RepositoryType>) {
    let _ = TYPES.set(types);
}

/// The rules of repositories of a type; `None` if its plugin is not installed.
pub fn of(pulp_type: &str) -> Option<&'static dyn RepositoryType> {
    TYPES.get().into_iter().flatten().copied().find(|rules| rules.kind().pulp_type == pulp_type)
}
