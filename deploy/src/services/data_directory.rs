//! The folder that holds all of one private installation, and the lock that says somebody uses it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::account::Account;

/// The longest path a unix socket can have on Linux, in bytes.
const SOCKET_LIMIT: usize = 107;

/// The longest name of a socket in the folder of sockets.
const LONGEST_SOCKET: &str = ".s.PGSQL.5432";

/// How long to wait for the children of a supervisor that was killed to be gone.
const HANDOVER: Duration = Duration::from_secs(10);

/// A locked data directory.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    account: Option<Account>,
    /// Locked while it, or a copy that a child process has inherited, is open.
    _lock: File,
}

impl DataDirectory {
    /// Creates the folder if it is not there, closes it to other users and locks it.
    ///
    /// # Errors
    /// If it is in use, belongs to something else, is too long for sockets, or cannot be made.
    pub(crate) async fn open(path: &Path) -> anyhow::Result<DataDirectory> {
        let account = Account::needed()?;
        let create = || DirBuilder::new().recursive(true).mode(0o755).create(path);
        create().with_context(|| format!("cannot create the data directory {}", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("cannot open {}", path.display()))?;
        check_length(&path)?;
        check_ownership(&path)?;
        close(&path, account.as_ref())
            .with_context(|| format!("cannot change the permissions of {}", path.display()))?;
        let lock = lock(&path.join("lock")).await?;
        let directory = DataDirectory { path, account, _lock: lock };
        directory.folder("run", directory.account.is_some())?;
        Ok(directory)
    }

    /// Where it is, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the sockets.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.path.join("run")
    }

    /// The account Postgres runs as, if not ours.
    pub(crate) fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// A folder in it that only its owner can enter: we, or Postgres's account.
    ///
    /// # Errors
    /// If it cannot be created or changed.
    pub(crate) fn folder(&self, name: &str, postgres: bool) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        let create = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o700))?;
            match (&self.account, postgres) {
                (Some(account), true) => chown(&path, Some(account.uid), Some(account.gid)),
                _ => Ok(()),
            }
        };
        create().with_context(|| format!("cannot create {}", path.display()))?;
        Ok(path)
    }
}

fn check_length(path: &Path) -> anyhow::Result<()> {
    let longest = path.join("run").join(LONGEST_SOCKET).as_os_str().as_bytes().len();
    anyhow::ensure!(
        longest <= SOCKET_LIMIT,
        "the data directory {} is {} bytes too long: a socket in it would exceed the system's limit of \
         {SOCKET_LIMIT} bytes; choose a shorter one with --data",
        path.display(),
        longest - SOCKET_LIMIT
    );
    Ok(())
}

/// A folder with things in it that were not made here is left alone: it would be closed to its users.
fn check_ownership(path: &Path) -> anyhow::Result<()> {
    let mut entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    anyhow::ensure!(
        entries.next().is_none() || path.join("lock").is_file(),
        "{} holds files that `pulpcore dev` did not make: choose an empty or a new directory with --data",
        path.display()
    );
    Ok(())
}

/// Others cannot enter. Postgres's account can, but not look around: its own folders are inside.
fn close(path: &Path, account: Option<&Account>) -> std::io::Result<()> {
    match account {
        Some(account) => {
            chown(path, None, Some(account.gid))?;
            std::fs::set_permissions(path, Permissions::from_mode(0o710))
        }
        None => std::fs::set_permissions(path, Permissions::from_mode(0o700)),
    }
}

/// Takes the lock, waiting a little for the children of a killed supervisor. All children inherit the open
/// file: as long as one of them lives, nobody else can use the directory.
async fn lock(path: &Path) -> anyhow::Result<File> {
    let open = || OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    let file = open().with_context(|| format!("cannot open {}", path.display()))?;
    let deadline = Instant::now() + HANDOVER;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "the data directory {} is in use by another `pulpcore dev`: stop that, or choose another \
                 directory with --data",
                path.parent().unwrap_or(path).display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
    }
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).context("cannot pass on the lock")?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn foreign_and_long_directories_are_refused_untouched() {
        let foreign = tempfile::tempdir().unwrap();
        std::fs::write(foreign.path().join("thesis.txt"), "").unwrap();
        std::fs::set_permissions(foreign.path(), Permissions::from_mode(0o755)).unwrap();
        let error = DataDirectory::open(foreign.path()).await.unwrap_err().to_string();
        assert!(error.contains("did not make"), "{error}");
        assert_eq!(foreign.path().metadata().unwrap().permissions().mode() & 0o777, 0o755);

        let long = foreign.path().join("x".repeat(90));
        let error = DataDirectory::open(&long).await.unwrap_err().to_string();
        assert!(error.contains("bytes too long"), "{error}");
    }

    #[tokio::test]
    async fn it_is_closed_to_others_and_can_be_opened_again() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        for _ in 0..2 {
            let directory = DataDirectory::open(&path).await.unwrap();
            assert_eq!(directory.path().metadata().unwrap().permissions().mode() & 0o067, 0);
            assert_eq!(directory.sockets().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
    }
}
