//! Faults of the artifact store: lost and cut files, a power cut, and a disk that hangs.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rand::Rng;
use rand::rngs::StdRng;

/// The artifact store, and the layer below it that builds for tests have.
#[derive(Debug)]
pub struct Store {
    media: PathBuf,
    layer: PathBuf,
    /// Files that were damaged, and count as missing until somebody brings their bytes.
    pub damaged: HashSet<PathBuf>,
}

impl Store {
    /// The store of an installation that keeps its files in `directory`.
    pub fn new(directory: &Path) -> Store {
        let layer = directory.join("store-faults");
        for folder in ["unflushed", "flushed"] {
            std::fs::create_dir_all(layer.join(folder)).unwrap();
        }
        Store { media: directory.join("media"), layer, damaged: HashSet::new() }
    }

    /// What makes the processes use the layer.
    pub fn environment(&self) -> (String, String) {
        ("PULPCORE_STORE_FAULTS".to_owned(), self.layer.display().to_string())
    }

    /// Lets the disk hang, or go on.
    pub fn freeze(&self, frozen: bool) {
        let path = self.layer.join("frozen");
        let _ = if frozen { std::fs::write(path, "") } else { std::fs::remove_file(path) };
    }

    /// Takes what was not flushed, as a power cut does: such files are empty, or not there. Everything that
    /// writes must be dead.
    pub fn cut_power(&self, random: &mut StdRng) {
        for note in std::fs::read_dir(self.layer.join("unflushed")).into_iter().flatten().flatten() {
            let files = std::fs::read_to_string(note.path()).unwrap_or_default();
            // Another process may have flushed a file that is noted here.
            let is_lost = |file: &&str| {
                let inode = std::fs::metadata(file).map(|found| found.ino());
                inode.is_ok_and(|inode| !self.layer.join("flushed").join(inode.to_string()).exists())
            };
            for file in files.lines().filter(is_lost) {
                let _ = if random.random_bool(0.5) {
                    std::fs::write(file, "")
                } else {
                    std::fs::remove_file(file)
                };
            }
            let _ = std::fs::remove_file(note.path());
        }
    }

    /// Loses a file, or a part of it; false if there is none.
    pub fn damage(&mut self, random: &mut StdRng) -> bool {
        let files = artifacts(&self.media);
        if files.is_empty() {
            return false;
        }
        let file = files[random.random_range(0..files.len())].clone();
        let half = std::fs::metadata(&file).map_or(0, |found| found.len() / 2);
        let _ = match random.random_range(0..3) {
            0 => std::fs::remove_file(&file),
            1 => std::fs::write(&file, ""),
            _ => std::fs::OpenOptions::new().write(true).open(&file).and_then(|file| file.set_len(half)),
        };
        self.damaged.insert(file)
    }
}

/// All files with final names.
pub fn artifacts(media: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![media.join("artifact")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    files.sort();
    files
}
