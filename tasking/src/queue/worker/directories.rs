//! The working directories of workers: a worker's own, and what those have left that did not end in order. A
//! killed worker cannot remove its own, and another one seldom gets its name.

use std::path::Path;

use anyhow::Context;
use entities::db;
use rustix::fs::{Access, access};
use sea_orm::DatabaseConnection;

use crate::queue::rows;

/// Of these names those that some worker had, and none has now.
const ABANDONED: &str = "SELECT name FROM process WHERE kind = 'worker' AND name = ANY($1)
                         GROUP BY name HAVING bool_and(gone_at IS NOT NULL)";

/// Directories looked at in one go at most.
const BATCH: usize = 1000;

/// Whether a worker could have `directory` below `root`, which is created. Touches nothing of a worker that
/// may be running under this name.
///
/// # Errors
/// If the root is no directory that can be written to, or the name is too long.
pub(super) async fn check(root: &Path, directory: &Path) -> anyhow::Result<()> {
    let refused = || format!("cannot use WORKING_DIRECTORY {}", root.display());
    tokio::fs::create_dir_all(root).await.with_context(refused)?;
    access(root, Access::WRITE_OK | Access::EXEC_OK).with_context(refused)?;
    match tokio::fs::symlink_metadata(directory).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot use the worker's directory {}", directory.display()))
        }
        _ => Ok(()),
    }
}

/// Removes a directory with all in it, if it is there.
pub(super) async fn remove(directory: &Path) -> anyhow::Result<()> {
    match tokio::fs::remove_dir_all(directory).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot empty {}", directory.display()))
        }
        _ => Ok(()),
    }
}

/// Removes what gone workers have left in `root`. Whatever is not known to be theirs stays.
pub(super) async fn remove_abandoned(db: &DatabaseConnection, root: &Path) -> anyhow::Result<()> {
    let mut entries = match tokio::fs::read_dir(root).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        if names.len() < BATCH
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    let abandoned: Vec<String> = rows::column(db, db::sql(ABANDONED, [names.into()])).await?;
    for name in abandoned {
        let directory = root.join(name);
        match tokio::fs::remove_dir_all(&directory).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, directory = %directory.display(), "cannot remove the directory of a lost worker");
            }
            _ => {}
        }
    }
    Ok(())
}
