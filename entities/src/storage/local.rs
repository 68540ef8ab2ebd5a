//! What is special to a store in a local directory: reading in large pieces, and flushing to the disk.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::faults::{self, Unflushed};
use crate::Result;

/// Length of the pieces in which a file is read.
const PIECE: u64 = 256 * 1024;

/// From so many files on, all of the file system is flushed at once: that takes one wait for the disk.
const MANY: usize = 8;

/// Streams a part of a file in pieces large enough that the hand-over to another thread does not count.
pub(super) fn read(
    file: File,
    range: std::ops::Range<u64>,
) -> BoxStream<'static, Result<Bytes, object_store::Error>> {
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

/// Which of the files with these lengths in bytes are there.
pub(super) async fn holds(files: Vec<(PathBuf, u64)>) -> Result<Vec<bool>> {
    let is_there = |(path, size): (PathBuf, u64)| match std::fs::metadata(&path) {
        Ok(found) => Ok(found.is_file() && found.len() == size),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    };
    blocking(move || files.into_iter().map(is_there).collect()).await
}

/// Removes empty directories that are in the place of files. The files are about to be written.
pub(super) async fn make_way(files: Vec<PathBuf>) -> Result<Unflushed> {
    let remove = |path: &PathBuf| match path.is_dir() {
        true => std::fs::remove_dir(path),
        false => Ok(()),
    };
    blocking(move || {
        files.iter().try_for_each(remove)?;
        Unflushed::note(&files)
    })
    .await
}

/// Waits until files below `root`, and the directories that name them, are on the disk.
pub(super) async fn flush(root: PathBuf, files: Vec<PathBuf>, unflushed: Unflushed) -> Result<()> {
    blocking(move || {
        faults::hang();
        if faults::leaves_out_flushes() {
            return Ok(());
        }
        match files.len() < MANY {
            true => flush_each(&root, &files)?,
            false => rustix::fs::syncfs(File::open(&root)?)?,
        }
        unflushed.flushed(&files)
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(anyhow::Error::from)?;
    done.map_err(|error| failed(error).into())
}

fn failed(error: io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(error) }
}

fn flush_each(root: &Path, files: &[PathBuf]) -> io::Result<()> {
    let mut directories = BTreeSet::new();
    for file in files {
        File::open(file)?.sync_all()?;
        directories.extend(file.ancestors().skip(1).take_while(|directory| directory.starts_with(root)));
    }
    // The deepest first: a directory is on the disk once the one that names it is.
    directories.into_iter().rev().try_for_each(|directory| File::open(directory)?.sync_all())
}
