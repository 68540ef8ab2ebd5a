//! The bytes behind artifact rows: written to a staging place, digested on the way, then moved to a final
//! name.
//!
//! A final name is made of the SHA-256 of the bytes, so a name never holds other or half bytes. Everything
//! below `staging/` belongs to a writer that is alive, or is rubbish.

mod faults;
mod local;
mod marker;
mod writer;

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::path::Path as StorePath;
use object_store::{
    Error as StoreError, GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt, PutMode,
    PutPayload,
};
use uuid::Uuid;

use crate::checksum::Algorithm;
use crate::{Result, Settings};
use writer::Place;

pub use writer::{Staged, Writer};

/// Files that get their final name at the same time.
const SIMULTANEOUS: usize = 16;

/// The artifact store of one domain.
#[derive(Clone, Debug)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    root: Arc<Path>,
    /// Whose store it has to be; see [`Storage::claim`].
    installation: Arc<OnceLock<Uuid>>,
    allowed: Arc<BTreeSet<Algorithm>>,
}

impl Storage {
    /// The store that the settings name; creates its directory.
    pub fn open(settings: &Settings) -> Result<Storage> {
        std::fs::create_dir_all(&settings.media_root).map_err(|error| {
            anyhow::anyhow!("cannot create MEDIA_ROOT {}: {error}", settings.media_root.display())
        })?;
        let store = LocalFileSystem::new_with_prefix(&settings.media_root)?.with_automatic_cleanup(true);
        Ok(Storage {
            store: Arc::new(store),
            root: settings.media_root.as_path().into(),
            installation: Arc::default(),
            allowed: Arc::new(settings.allowed_content_checksums.clone()),
        })
    }

    /// A new writer. Nothing is visible before [`Storage::keep`].
    pub fn writer(&self) -> Writer {
        Writer::new(self)
    }

    /// The final path of bytes with this SHA-256: `artifact/<2 hex>/<62 hex>` (C01).
    pub fn artifact_path(sha256: &str) -> String {
        let (head, tail) = sha256.split_at(sha256.len().min(2));
        format!("artifact/{head}/{tail}")
    }

    /// Gives staged bytes final names, and waits until the disk has the files and their directories: only
    /// then may a row speak of them. What is there and not whole is written again. May be repeated with the
    /// same bytes, as when the transaction around it is tried again. For artifacts call
    /// [`crate::artifact::keep`].
    ///
    /// # Errors
    /// If the store refuses, or is not that of this installation.
    pub async fn keep(&self, files: impl IntoIterator<Item = (&Staged, &str)>) -> Result<()> {
        let files: Vec<(&Staged, &str)> = files.into_iter().collect();
        if files.is_empty() {
            return Ok(());
        }
        self.check_marker().await?;
        let paths: Vec<PathBuf> = files.iter().map(|(_, path)| self.root.join(path)).collect();
        let unflushed = local::make_way(paths.clone()).await?;
        let moves: Vec<_> = files.iter().map(|(staged, path)| self.give_name(staged, path)).collect();
        stream::iter(moves).buffer_unordered(SIMULTANEOUS).try_collect::<()>().await?;
        local::flush(self.root.to_path_buf(), paths, unflushed).await
    }

    /// A file that is there and whole stays: it may be on the disk already, and these bytes are not yet.
    async fn give_name(&self, staged: &Staged, path: &str) -> Result<()> {
        match self.write(staged, path, true).await {
            Ok(()) => Ok(()),
            Err(_) if self.size(path).await? == Some(staged.size) => Ok(()),
            // What is there is not whole, or the file system has no hard links, by which only new names are
            // given.
            Err(_) => Ok(self.write(staged, path, false).await?),
        }
    }

    async fn write(&self, staged: &Staged, path: &str, is_new: bool) -> Result<(), StoreError> {
        let target = StorePath::from(path);
        match &staged.place {
            Place::Memory(bytes) => {
                let mode = if is_new { PutMode::Create } else { PutMode::Overwrite };
                let payload = PutPayload::from(bytes.clone());
                self.store.put_opts(&target, payload, mode.into()).await.map(drop)
            }
            Place::Store(staging) if is_new => self.store.rename_if_not_exists(&staging.path, &target).await,
            Place::Store(staging) => self.store.rename(&staging.path, &target).await,
        }
    }

    /// Which of the files with these paths and lengths in bytes are there, in their order. A row is no proof
    /// of its bytes.
    ///
    /// # Errors
    /// If the store cannot tell.
    pub async fn holds(&self, files: impl IntoIterator<Item = (String, u64)>) -> Result<Vec<bool>> {
        let files = files.into_iter().map(|(path, size)| (self.root.join(path), size)).collect();
        local::holds(files).await
    }

    /// Streams bytes that have no final name yet.
    pub async fn read_staged(
        &self,
        staged: &Staged,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>> {
        match &staged.place {
            Place::Memory(bytes) => Ok(futures_util::stream::iter([Ok(bytes.clone())]).boxed()),
            Place::Store(staging) => self.read(staging.path.as_ref(), None).await,
        }
    }

    /// Streams the bytes at a path, or a part of them.
    pub async fn read(
        &self,
        path: &str,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, StoreError>>> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let found = self.store.get_opts(&StorePath::from(path), options).await?;
        Ok(match found.payload {
            GetResultPayload::File(file, _) => local::read(file, found.range),
            GetResultPayload::Stream(stream) => stream,
        })
    }

    /// The length in bytes of the file at a path, if there is one.
    pub async fn size(&self, path: &str) -> Result<Option<u64>> {
        match self.store.head(&StorePath::from(path)).await {
            Ok(file) => Ok(Some(file.size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes what is at a path; that nothing is there is fine.
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self.store.delete(&StorePath::from(path)).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Paths of files below a directory of the store that were written before a time.
    pub fn written_before(
        &self,
        directory: &str,
        time: DateTime<Utc>,
    ) -> BoxStream<'static, Result<String, StoreError>> {
        let files = self.store.list(Some(&StorePath::from(directory)));
        files
            .try_filter_map(move |file| async move {
                Ok((file.last_modified < time).then(|| file.location.to_string()))
            })
            .boxed()
    }

    /// Deletes staged bytes whose writer must be dead, because they are older than `age`. Returns how many.
    pub async fn sweep_staging(&self, age: chrono::Duration) -> Result<usize> {
        let mut found = self.written_before("staging", Utc::now() - age);
        let mut deleted = 0;
        while let Some(path) = found.try_next().await? {
            self.delete(&path).await?;
            deleted += 1;
        }
        Ok(deleted)
    }
}

/// As [`is_inside`], of a path that may not exist yet: what exists of it is looked at, links resolved. The
/// rest must not lead upwards again.
pub fn will_be_inside(path: &Path, allowed: &[PathBuf]) -> bool {
    let leads_on = path.components().all(|part| !matches!(part, Component::ParentDir));
    let there = path.ancestors().find(|path| path.symlink_metadata().is_ok());
    let wanted = path.ancestors().find_map(|path| Some((path, path.canonicalize().ok()?)));
    let (Some((found, real)), Some(there)) = (wanted, there) else { return false };
    // A link that leads nowhere could lead anywhere.
    leads_on
        && found == there
        && allowed.iter().filter_map(|root| root.canonicalize().ok()).any(|root| real.starts_with(root))
}

/// Whether a path lies inside one of the allowed directories, links resolved (D03).
pub fn is_inside(path: &Path, allowed: &[PathBuf]) -> bool {
    let Ok(real) = path.canonicalize() else {
        return false;
    };
    allowed.iter().filter_map(|root| root.canonicalize().ok()).any(|root| real.starts_with(root))
}
