//! The files of the job: copied as they are read, with the digests of what was read.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use entities::checksum::{Algorithm, Digester};
use rand::{Rng, RngCore, SeedableRng};

/// Files taken at most.
const MOST_FILES: usize = 2_000;

/// Bytes taken at most, of all files together.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// The largest file taken, in bytes.
const LARGEST_FILE: u64 = 32 * 1024 * 1024;

/// Below this number, generated files are added.
const FEWEST_FILES: usize = 500;

/// The folder of the generated files.
const GENERATED: &str = "generated-by-pulpcore";

/// The name of the list of files, which is not a file of the job.
const MANIFEST: &str = "PULP_MANIFEST";

/// One file of the job.
#[derive(Clone, Debug)]
pub(crate) struct SampleFile {
    /// Its path below the source, with slashes.
    pub(crate) path: String,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its SHA-256, in lower-case hexadecimal digits.
    pub(crate) sha256: String,
}

/// The files of the job.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// The files, in the order of the manifest.
    pub(crate) files: Vec<SampleFile>,
    /// How many were generated.
    generated: usize,
    /// How many were there but not usable: links, unreadable or too large ones, names a manifest cannot hold.
    left_out: usize,
    /// Whether there were more than are taken.
    more: bool,
}

impl Sample {
    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// What was taken and what not, in one line.
    pub(crate) fn describe(&self) -> String {
        let mut text = format!("{} files", self.files.len());
        if self.generated > 0 {
            text.push_str(&format!(", {} of them generated", self.generated));
        }
        if self.left_out > 0 {
            text.push_str(&format!(", {} left out (links, unreadable, large or oddly named)", self.left_out));
        }
        if self.more {
            text.push_str(", more are there");
        }
        text
    }
}

/// Copies files from `source` into the new folder `target` and writes the manifest there. Tells `progress`
/// how many files it has. A source that is not there counts as empty.
///
/// # Errors
/// If `target` cannot be written.
pub(crate) fn collect(source: &Path, target: &Path, progress: impl Fn(u64)) -> anyhow::Result<Sample> {
    let mut sample = Sample::default();
    let mut bytes = 0;
    let mut folders = vec![PathBuf::new()];
    'walk: while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(source.join(&folder)) else {
            sample.left_out += 1;
            continue;
        };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut inner = Vec::new();
        for entry in entries {
            let path = folder.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => inner.push(path),
                Ok(kind) if kind.is_file() => {
                    if sample.files.len() == MOST_FILES || bytes >= MOST_BYTES {
                        sample.more = true;
                        break 'walk;
                    }
                    match manifest_name(&path).map(|name| take(source, target, name)).transpose()?.flatten() {
                        Some(file) => {
                            bytes += file.size;
                            sample.files.push(file);
                            progress(sample.files.len() as u64);
                        }
                        None => sample.left_out += 1,
                    }
                }
                _ => sample.left_out += 1,
            }
        }
        folders.extend(inner.into_iter().rev());
    }
    while sample.files.len() < FEWEST_FILES {
        sample.generated += 1;
        sample.files.push(generate(target, sample.generated)?);
        progress(sample.files.len() as u64);
    }
    write_manifest(target, &sample.files)?;
    Ok(sample)
}

/// The path as a manifest can hold it: text without what separates lines and fields, or has a meaning in
/// paths.
fn manifest_name(path: &Path) -> Option<String> {
    let name = path.to_str()?;
    let plain = |part: &str| part == part.trim() && !part.starts_with("..");
    let usable = name != MANIFEST
        && !name.contains(|c: char| c.is_control() || matches!(c, ',' | '"' | '\\'))
        && name.split('/').all(plain)
        && !name.starts_with(GENERATED);
    usable.then(|| name.to_owned())
}

/// Copies one file; `None` if it cannot be read or is too large.
fn take(source: &Path, target: &Path, name: String) -> anyhow::Result<Option<SampleFile>> {
    let from = source.join(&name);
    if !from.symlink_metadata().is_ok_and(|data| data.is_file() && data.len() <= LARGEST_FILE) {
        return Ok(None);
    }
    let Ok(file) = File::open(&from) else { return Ok(None) };
    // It may grow while it is read: what is over the limit is not read.
    copy(file.take(LARGEST_FILE), target, name).map(Some)
}

/// A file of random bytes, the same ones in every run.
fn generate(target: &Path, number: usize) -> anyhow::Result<SampleFile> {
    let mut random = rand::rngs::StdRng::seed_from_u64(number as u64);
    let mut bytes = vec![0; random.random_range(1..8 * 1024)];
    random.fill_bytes(&mut bytes);
    copy(bytes.as_slice(), target, format!("{GENERATED}/{number:05}.bin"))
}

fn copy(mut from: impl Read, target: &Path, name: String) -> anyhow::Result<SampleFile> {
    let to = target.join(&name);
    let mut written = || {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = BufWriter::new(File::create(&to)?);
        let mut digester = Digester::new(&[Algorithm::Sha256].into());
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = from.read(&mut buffer)?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            digester.update(bytes);
            file.write_all(bytes)?;
        }
        file.flush()?;
        std::io::Result::Ok(digester)
    };
    let digester = written().with_context(|| format!("cannot copy to {}", to.display()))?;
    let size = digester.size();
    let digests = digester.finish();
    let sha256 = digests.get(Algorithm::Sha256).context("no digest was computed")?.to_owned();
    Ok(SampleFile { path: name, size, sha256 })
}

fn write_manifest(target: &Path, files: &[SampleFile]) -> anyhow::Result<()> {
    let lines: String =
        files.iter().map(|file| format!("{},{},{}\n", file.path, file.sha256, file.size)).collect();
    let path = target.join(MANIFEST);
    fs::write(&path, lines).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usable_files_are_copied_and_the_rest_is_left_out() {
        let parent = tempfile::tempdir().unwrap();
        let (source, target) = (parent.path().join("source"), parent.path().join("target"));
        fs::create_dir_all(source.join("a b")).unwrap();
        fs::write(source.join("a b/c#1%.txt"), "abc").unwrap();
        fs::write(source.join("one,two"), "").unwrap();
        fs::write(source.join("one\ntwo"), "").unwrap();
        fs::write(source.join(MANIFEST), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", source.join("link")).unwrap();

        let sample = collect(&source, &target, |_| {}).unwrap();
        assert_eq!((sample.files.len(), sample.left_out), (FEWEST_FILES, 4));
        let file = &sample.files[0];
        assert_eq!((file.path.as_str(), file.size), ("a b/c#1%.txt", 3));
        assert_eq!(file.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(fs::read_to_string(target.join("a b/c#1%.txt")).unwrap(), "abc");
        let manifest = fs::read_to_string(target.join(MANIFEST)).unwrap();
        assert_eq!(manifest.lines().count(), FEWEST_FILES);
        assert!(manifest.starts_with(&format!("a b/c#1%.txt,{},3\n", file.sha256)));
    }

    #[test]
    fn a_missing_source_is_made_up_for() {
        let parent = tempfile::tempdir().unwrap();
        let sample = collect(Path::new("/nonexistent"), &parent.path().join("t"), |_| {}).unwrap();
        assert_eq!((sample.files.len(), sample.generated), (FEWEST_FILES, FEWEST_FILES));
    }
}
