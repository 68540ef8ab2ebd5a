//! Repositories of files: paths are unique in a version, and new versions may be published.

use ::entities::repository_version;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tasking::{Content, Hooks, RepositoryType, TaskContext, version};

use crate::details::RepositoryDetails;
use crate::file::FileContent;
use crate::{kinds, tasks};

/// The type of the repositories (C13).
pub(crate) fn repositories() -> RepositoryType {
    RepositoryType::new(&kinds::REPOSITORY)
        .takes(FileContent::TYPE)
        .paths(FileContent::TYPE, "relative_path")
        .with_hooks(Autopublish)
}

/// Publishes each new version, if its repository wants that (C23).
struct Autopublish;

impl Hooks for Autopublish {
    fn after_completion<'a>(
        &'a self,
        cx: &'a TaskContext,
        version: &'a repository_version::Model,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        publish(cx, version).boxed()
    }
}

async fn publish(cx: &TaskContext, version: &repository_version::Model) -> anyhow::Result<()> {
    let repository = version::repository(cx, version.repository_id).await?;
    let details = RepositoryDetails::of(&repository)?;
    if details.autopublish {
        tasks::publish::publish(cx, version, details.manifest, false).await?;
    }
    Ok(())
}
