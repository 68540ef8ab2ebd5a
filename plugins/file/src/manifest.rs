//! The manifest: a line `path,sha256,size` for each file (C21). A path may hold commas.

use ::entities::checksum::Digests;
use anyhow::{Context, ensure};

/// Whether a path can be that of a file, and stand in a manifest.
///
/// # Errors
/// Says what is wrong with the path.
pub fn check_path(path: &str) -> anyhow::Result<()> {
    tasking::relative_path::check(path)?;
    // Whoever mirrors a manifest with such a line would not get the file, and not hear of it.
    ensure!(
        !path.starts_with('#'),
        "the path {path:?} starts with '#', which begins a comment of a manifest"
    );
    Ok(())
}

/// One file of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path below the manifest's directory.
    pub relative_path: String,
    /// Digest in lower-case hexadecimal.
    pub sha256: String,
    /// Length in bytes.
    pub size: u64,
}

impl Entry {
    /// Reads one line; blank lines and comments are `None`.
    ///
    /// # Errors
    /// Says what is wrong with the line, without its number.
    pub fn parse(line: &str) -> anyhow::Result<Option<Entry>> {
        let line = trim(line);
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let mut fields = line.rsplitn(3, ',');
        let (Some(size), Some(sha256), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            anyhow::bail!("expected \"path,sha256,size\"");
        };
        let size = size.trim().parse().with_context(|| format!("{:?} is not a size", size.trim()))?;
        ensure!(i64::try_from(size).is_ok(), "{size} is too large for a size");
        let sha256 = sha256.trim().to_ascii_lowercase();
        Digests::parse_sha256(&sha256)?;
        let relative_path = beside(trim(path)).to_owned();
        check_path(&relative_path)?;
        Ok(Some(Entry { relative_path, sha256, size }))
    }

    /// The line, with its end.
    pub fn line(&self) -> String {
        format!("{},{},{}\n", self.relative_path, self.sha256, self.size)
    }
}

/// Without ASCII white space at the ends; any other is part of a name.
fn trim(text: &str) -> &str {
    text.trim_matches(|letter: char| letter.is_ascii_whitespace())
}

/// A path as `find` writes it, from the directory itself.
fn beside(mut path: &str) -> &str {
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn lines_are_read_and_written_alike() {
        for path in ["a", "a/b.c", "with, comma", "ünï/código"] {
            let entry = Entry { relative_path: path.into(), sha256: SHA256.into(), size: 3 };
            assert_eq!(Entry::parse(&entry.line()).unwrap(), Some(entry));
        }
        for nothing in ["", "  ", "# comment", "\r"] {
            assert_eq!(Entry::parse(nothing).unwrap(), None);
        }
    }

    #[test]
    fn paths_may_begin_where_the_manifest_is() {
        let path = |path: &str| {
            let entry = Entry::parse(&format!("{path},{SHA256},3")).unwrap().unwrap();
            entry.relative_path
        };
        for (given, expected) in [
            ("./a", "a"),
            ("././a/b", "a/b"),
            (".//a", "a"),
            (".a", ".a"),
            (" a ", "a"),
            ("a\u{a0}", "a\u{a0}"),
        ] {
            assert_eq!(path(given), expected, "{given:?}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let lines = [
            "a".to_owned(),
            "a,1".to_owned(),
            format!("a,{SHA256},x"),
            format!("a,{SHA256},-1"),
            format!("a,{SHA256},18446744073709551615"),
            "a,short,1".to_owned(),
            format!(",{SHA256},1"),
            format!("./,{SHA256},1"),
            format!("./../a,{SHA256},1"),
            format!("/a,{SHA256},1"),
            format!("a/../b,{SHA256},1"),
            format!("a//b,{SHA256},1"),
        ];
        for line in lines {
            assert!(Entry::parse(&line).is_err(), "{line}");
        }
    }
}
