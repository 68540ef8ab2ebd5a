//! Bytes on their way into the store: digested, in memory if they are few, else below `staging/`.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use object_store::path::Path as StorePath;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use uuid::Uuid;

use super::Storage;
use crate::Result;
use crate::checksum::{Algorithm, Digester, Digests, Expected};

/// Bytes up to this length are kept in memory until they have their final name; longer ones are staged.
const IN_MEMORY: usize = 64 * 1024;

/// Simultaneous parts of one staged write; bounds its memory to this many parts of 5 MiB.
const PARTS_IN_FLIGHT: usize = 2;

/// Takes bytes, digests them and stages them. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct Writer {
    storage: Storage,
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
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) enum Place {
    Memory(Bytes),
    Store(Staging),
}

/// A name below `staging/`, deleted with the value.
#[derive(Debug)]
pub(super) struct Staging {
    store: Arc<dyn ObjectStore>,
    pub(super) path: StorePath,
}

impl Writer {
    pub(super) fn new(storage: &Storage) -> Writer {
        Writer {
            storage: storage.clone(),
            digester: Digester::new(&storage.allowed),
            memory: BytesMut::new(),
            staged: None,
        }
    }

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
        let (staging, mut upload) = stage(&self.storage).await?;
        upload.put(std::mem::take(&mut self.memory).freeze());
        upload.put(bytes);
        self.staged = Some((staging, upload));
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

/// Begins a file below `staging/`.
async fn stage(storage: &Storage) -> Result<(Staging, WriteMultipart)> {
    storage.check_marker().await?;
    let (store, path) = (storage.store.clone(), StorePath::from(format!("staging/{}", Uuid::new_v4())));
    let staging = Staging { store: store.clone(), path: path.clone() };
    // The local store opens the file on the thread that asks: a disk that hangs would stop the runtime.
    let runtime = tokio::runtime::Handle::current();
    let opened = tokio::task::spawn_blocking(move || runtime.block_on(store.put_multipart(&path)));
    let upload = opened.await.map_err(anyhow::Error::from)??;
    Ok((staging, WriteMultipart::new(upload)))
}

impl Drop for Staging {
    fn drop(&mut self) {
        let (store, path) = (self.store.clone(), self.path.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { store.delete(&path).await });
        }
    }
}
