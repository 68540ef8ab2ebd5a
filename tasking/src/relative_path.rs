//! Paths of files in repositories and publications.

use anyhow::ensure;

/// Bytes that a path may have: an index of it holds 2,704, with a digest and ids beside them.
const LONGEST: usize = 2560;

/// Whether a path can be that of a file in a repository (C06).
///
/// # Errors
/// Says what is wrong with the path.
pub fn check(path: &str) -> anyhow::Result<()> {
    ensure!(!path.is_empty(), "the path is empty");
    ensure!(path.len() <= LONGEST, "the path is longer than {LONGEST} bytes");
    ensure!(!path.starts_with('/'), "the path {path:?} starts with a slash");
    ensure!(!path.chars().any(char::is_control), "the path {path:?} contains a control character");
    ensure!(
        !path.split('/').any(|segment| matches!(segment, "" | "." | "..")),
        "the path {path:?} contains an empty segment, \".\" or \"..\""
    );
    Ok(())
}
