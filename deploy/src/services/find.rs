//! Where the servers' programs are: on `PATH`, and where distributions keep them off it.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

/// Folders of folders: `<parent>/<name starting with prefix>/<tail>` holds Postgres of one version.
const VERSIONED: [(&str, &str, &str); 6] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
];

/// Folders that are often missing in `PATH`.
const PLAIN: [&str; 6] = [
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/usr/local/pgsql/bin",
];

/// One installation of Postgres.
#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    /// The server.
    pub(crate) server: PathBuf,
    /// The program that fills a new data directory.
    pub(crate) initdb: PathBuf,
    /// Its major version.
    pub(crate) major: u32,
}

/// The installation to use: the first found, or the first of version `major` if there is data of that
/// version.
///
/// # Errors
/// If there is none; the message says what to install.
pub(crate) fn postgres(major: Option<u32>) -> anyhow::Result<Postgres> {
    let mut seen = Vec::new();
    for directory in directories() {
        let Some(found) = installation(&directory) else { continue };
        if major.is_none_or(|major| major == found.major) {
            return Ok(found);
        }
        seen.push(found.major);
    }
    match major {
        Some(major) if !seen.is_empty() => anyhow::bail!(
            "the data directory was made by Postgres {major}, but only version {seen:?} is installed: \
             install Postgres {major}, or choose another directory with --data"
        ),
        _ => anyhow::bail!(
            "Postgres is not installed (no `postgres` and `initdb` on PATH or in /usr/lib/postgresql): \
             run deploy/run, or install it, for example with `apt-get install postgresql`"
        ),
    }
}

/// `redis-server` or `valkey-server`.
///
/// # Errors
/// If neither is there; the message says what to install.
pub(crate) fn redis() -> anyhow::Result<PathBuf> {
    let directories = directories();
    ["redis-server", "valkey-server"]
        .iter()
        .find_map(|name| directories.iter().map(|directory| directory.join(name)).find(|path| path.is_file()))
        .context(
            "Redis is not installed (no `redis-server` or `valkey-server` on PATH): run deploy/run, or install \
             it, for example with `apt-get install redis-server`",
        )
}

/// `PATH` first, then the known places, the newest version first.
fn directories() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all: Vec<PathBuf> = std::env::split_paths(&path).filter(|path| path.is_absolute()).collect();
    for (parent, prefix, tail) in VERSIONED {
        all.extend(versions(Path::new(parent), prefix).into_iter().map(|folder| folder.join(tail)));
    }
    all.extend(PLAIN.iter().map(PathBuf::from));
    all
}

/// The folders of `parent` that start with `prefix`, by the number in their names, the highest first.
fn versions(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let rest = name.strip_prefix(prefix)?;
            let digits: String = rest.chars().skip_while(|c| !c.is_ascii_digit()).collect();
            Some((leading_number(&digits).unwrap_or(0), entry.path()))
        })
        .collect();
    found.sort_by_key(|(version, _)| Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}

/// The installation whose server is in `directory`, with links resolved: Postgres finds its other files from
/// the place of its program. Scripts are passed over, because a signal to them would not reach the server.
fn installation(directory: &Path) -> Option<Postgres> {
    let server = directory.join("postgres").canonicalize().ok()?;
    let initdb = server.with_file_name("initdb");
    if !initdb.is_file() || is_script(&server) {
        return None;
    }
    let output = Command::new(&server).arg("--version").output().ok()?;
    let major = major_version(&String::from_utf8_lossy(&output.stdout))?;
    Some(Postgres { server, initdb, major })
}

fn is_script(path: &Path) -> bool {
    let mut start = [0; 2];
    let read =
        std::fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start));
    read.is_ok() && start == *b"#!"
}

/// From `postgres (PostgreSQL) 15.18 (Debian …)`.
fn major_version(text: &str) -> Option<u32> {
    leading_number(text.split_once("(PostgreSQL)")?.1.trim_start())
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_servers_print() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_version("initdb: something else"), None);
    }

    #[test]
    fn the_newest_version_comes_first() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["postgresql@9", "postgresql@16", "postgresql", "redis"] {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        let names: Vec<_> = versions(parent.path(), "postgresql")
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["postgresql@16", "postgresql@9", "postgresql"]);
    }

    #[test]
    fn scripts_are_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("postgres"), "#!/bin/sh\n").unwrap();
        std::fs::write(directory.path().join("initdb"), "").unwrap();
        assert!(installation(directory.path()).is_none());
    }
}
