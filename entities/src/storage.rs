//! The bytes behind artifact rows: written to a staging place, digested on the way, then moved to a final name.
//!
//! A final name is made of the SHA-256 of the bytes, so a name never holds other or half bytes. Everything below
//! `staging/` belongs to a writer that is alive, or is rubbish.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::path::Path as StorePath;
use object_store::{
    GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart,
};
use uuid::Uuid;

use crate::checksum::{Algorithm, Digester, Digests, Expected};
use crate::{Result, Settings};

/// Bytes up to this length are kept in memory until they have their final name; longer ones are staged.
const IN_MEMORY: usize = 64 * 1024;

/// Length of the pieces in which a local file is read.
const PIECE: u64 = 256 * 1024;

/// Simultaneous parts of one staged write; bounds its memory to this many parts of 5 MiB.
const PARTS_IN_FLIGHT: usize = 2;

/// The artifact store of one domain.
#[derive(Clone, Debug)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    allowed: Arc<BTreeSet<Algorithm>>,
}

impl Storage {
    /// The store that the settings name; creates its directory.
    pub fn open(settings: &Settings) -> Result<Storage> {
        std::fs::create_dir_all(&settings.media_root).map_err(|error| {
            anyhow::anyhow!("cannot create MEDIA_ROOT {}: {error}", settings.media_root.display())
        })?;
        Ok(Storage {
            store: Arc::new(
                LocalFileSystem::new_with_prefix(&settings.media_root)?.with_automatic_cleanup(true),
            ),
            allowed: Arc::new(settings.allowed_content_checksums.clone()),
        })
    }

    /// A new writer. Nothing is visible before [`Storage::keep`].
    pub fn writer(&self) -> Writer {
        Writer {
            store: self.store.clone(),
            digester: Digester::new(&self.allowed),
            memory: BytesMut::new(),
            staged: None,
        }
    }

    /// The final path of bytes with this SHA-256: `artifact/<2 hex>/<62 hex>` (C01).
    pub fn artifact_path(sha256: &str) -> String {
        let (head, tail) = sha256.split_at(sha256.len().min(2));
        format!("artifact/{head}/{tail}")
    }

    /// Gives staged bytes a final name. Overwrites: an artifact's name stands for its bytes, so they are the same.
    /// May be repeated with the same bytes, as when the transaction around it is tried again.
    /// For artifacts call [`crate::artifact::save`], which takes the lock that a deletion respects.
    pub async fn keep(&self, staged: &Staged, path: &str) -> Result<()> {
        let target = StorePath::from(path);
        match &staged.place {
            Place::Memory(bytes) => {
                self.store.put(&target, PutPayload::from(bytes.clone())).await?;
            }
            Place::Store(staging) => match self.store.rename(&staging.path, &target).await {
                Err(object_store::Error::NotFound { .. }) if self.contains(path).await? => {}
                outcome => outcome?,
            },
        }
        Ok(())
    }

    pub(crate) async fn keep_artifact(&self, staged: &Staged) -> Result<()> {
        self.keep(staged, &Storage::artifact_path(staged.sha256())).await
    }

    /// Streams bytes that have no final name yet.
    pub async fn read_staged(
        &self,
        staged: &Staged,
    ) -> Result<BoxStream<'static, Result<Bytes, object_store::Error>>> {
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
    ) -> Result<BoxStream<'static, Result<Bytes, object_store::Error>>> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let found = self.store.get_opts(&StorePath::from(path), options).await?;
        Ok(match found.payload {
            GetResultPayload::File(file, _) => read_file(file, found.range),
            GetResultPayload::Stream(stream) => stream,
        })
    }

    /// Whether there is something at a path.
    pub async fn contains(&self, path: &str) -> Result<bool> {
        match self.store.head(&StorePath::from(path)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes what is at a path; that nothing is there is fine.
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self.store.delete(&StorePath::from(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes staged bytes whose writer must be dead, because they are older than `age`. Answers how many.
    pub async fn sweep_staging(&self, age: chrono::Duration) -> Result<usize> {
        let oldest = chrono::Utc::now() - age;
        let mut found = self.store.list(Some(&StorePath::from("staging")));
        let mut deleted = 0;
        while let Some(object) = found.try_next().await? {
            if object.last_modified < oldest {
                self.delete(object.location.as_ref()).await?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }
}

/// Takes bytes, digests them and stages them. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct Writer {
    store: Arc<dyn ObjectStore>,
    digester: Digester,
    memory: BytesMut,
    staged: Option<(Staging, WriteMultipart)>,
}

/// Complete bytes that have no final name yet. Dropped, they go away.
#[derive(Debug)]
pub struct Staged {
    /// Length in bytes.
    pub size: u64,
    /// Digests; SHA-256 is always there.
    pub digests: Digests,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(Bytes),
    Store(Staging),
}

/// A name below `staging/`, deleted with the value.
#[derive(Debug)]
struct Staging {
    store: Arc<dyn ObjectStore>,
    path: StorePath,
}

impl Writer {
    /// Takes the next bytes. Waits while the store is slower than the source.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.digester.update(&bytes);
        if let Some((_, upload)) = &mut self.staged {
            upload.wait_for_capacity(PARTS_IN_FLIGHT).await?;
            upload.put(bytes);
            return Ok(());
        }
        if self.memory.len() + bytes.len() <= IN_MEMORY {
            self.memory.extend_from_slice(&bytes);
            return Ok(());
        }
        let path = StorePath::from(format!("staging/{}", Uuid::new_v4()));
        let upload = self.store.put_multipart(&path).await?;
        let mut upload = WriteMultipart::new(upload);
        upload.put(std::mem::take(&mut self.memory).freeze());
        upload.put(bytes);
        self.staged = Some((Staging { store: self.store.clone(), path }, upload));
        Ok(())
    }

    /// How many bytes came so far.
    pub fn size(&self) -> u64 {
        self.digester.size()
    }

    /// Gives up storing the bytes; their digests go on.
    pub fn into_digester(self) -> Digester {
        self.digester
    }

    /// Ends the bytes and checks them.
    ///
    /// # Errors
    /// [`crate::Error::Digest`] if they are not the expected ones; nothing is left of them then.
    pub async fn finish(mut self, expected: &Expected) -> Result<Staged> {
        let size = self.digester.size();
        let digests = self.digester.clone().finish();
        let place = match self.staged.take() {
            None => Place::Memory(std::mem::take(&mut self.memory).freeze()),
            Some((staging, upload)) => {
                upload.finish().await?;
                Place::Store(staging)
            }
        };
        expected.check(size, &digests)?;
        Ok(Staged { size, digests, place })
    }
}

impl Staged {
    /// The digest that names the bytes.
    pub fn sha256(&self) -> &str {
        self.digests.get(Algorithm::Sha256).unwrap_or_default()
    }
}

/// Streams a part of a file in pieces large enough that the hand-over to another thread does not count.
fn read_file(
    file: std::fs::File,
    range: std::ops::Range<u64>,
) -> BoxStream<'static, Result<Bytes, object_store::Error>> {
    let failed = |error: std::io::Error| object_store::Error::Generic {
        store: "LocalFileSystem",
        source: Box::new(error),
    };
    stream::try_unfold((Arc::new(file), range), move |(file, range)| async move {
        let length = (range.end - range.start).min(PIECE) as usize;
        if length == 0 {
            return Ok(None);
        }
        let (source, position) = (file.clone(), range.start);
        let piece = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; length];
            source.read_exact_at(&mut piece, position).map(|()| piece)
        })
        .await
        .map_err(|error| failed(error.into()))?
        .map_err(failed)?;
        Ok(Some((Bytes::from(piece), (file, position + length as u64..range.end))))
    })
    .boxed()
}

impl Drop for Staging {
    fn drop(&mut self) {
        let (store, path) = (self.store.clone(), self.path.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { store.delete(&path).await });
        }
    }
}

/// Whether a path lies inside one of the allowed directories, links resolved (D03).
pub fn is_inside(path: &Path, allowed: &[std::path::PathBuf]) -> bool {
    let Ok(real) = path.canonicalize() else {
        return false;
    };
    allowed.iter().filter_map(|root| root.canonicalize().ok()).any(|root| real.starts_with(root))
}
