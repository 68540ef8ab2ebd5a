//! A test layer of the local store: what a power cut would take, and a disk that hangs.
//!
//! Only builds with debug assertions have it, where `PULPCORE_STORE_FAULTS` names a directory that tests
//! share with the processes: below `unflushed/` stand the paths of files that have a name and may not be on
//! the disk yet; the inodes of those that are below `flushed/`; while there is a file `frozen`, nothing is
//! flushed.

use std::io;
use std::path::PathBuf;

/// The files of one flush that has not ended.
#[derive(Debug)]
pub(super) struct Unflushed(#[cfg(debug_assertions)] Option<PathBuf>);

#[cfg(debug_assertions)]
fn directory() -> Option<PathBuf> {
    std::env::var_os("PULPCORE_STORE_FAULTS").map(PathBuf::from)
}

impl Unflushed {
    /// Notes files that are about to get their names.
    #[cfg(debug_assertions)]
    pub(super) fn note(files: &[PathBuf]) -> io::Result<Unflushed> {
        let Some(directory) = directory() else { return Ok(Unflushed(None)) };
        let note = directory.join("unflushed").join(uuid::Uuid::new_v4().to_string());
        let lines: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        std::fs::write(&note, lines.join("\n"))?;
        Ok(Unflushed(Some(note)))
    }

    /// There is no layer in this build.
    #[cfg(not(debug_assertions))]
    pub(super) fn note(_: &[PathBuf]) -> io::Result<Unflushed> {
        Ok(Unflushed())
    }

    /// The files are on the disk: each is known by its inode, whoever wrote it.
    #[cfg(debug_assertions)]
    pub(super) fn flushed(self, files: &[PathBuf]) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt as _;
        let (Some(note), Some(directory)) = (self.0, directory()) else { return Ok(()) };
        for inode in files.iter().filter_map(|file| Some(file.metadata().ok()?.ino())) {
            std::fs::write(directory.join("flushed").join(inode.to_string()), "")?;
        }
        std::fs::remove_file(note)
    }

    /// There is no layer in this build.
    #[cfg(not(debug_assertions))]
    pub(super) fn flushed(self, _: &[PathBuf]) -> io::Result<()> {
        Ok(())
    }
}

/// Whether flushes are left out, by `PULPCORE_FAULT=NoFlush`, so that tests can show that they would notice.
pub(super) fn leaves_out_flushes() -> bool {
    cfg!(debug_assertions) && std::env::var_os("PULPCORE_FAULT").is_some_and(|fault| fault == "NoFlush")
}

/// Waits while the disk hangs; blocks the thread, as a disk does.
pub(super) fn hang() {
    #[cfg(debug_assertions)]
    while directory().is_some_and(|directory| directory.join("frozen").exists()) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
