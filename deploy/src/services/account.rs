//! The account Postgres runs as when this program runs as root, which Postgres refuses to be.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

/// The account packages of Postgres create.
const NAME: &str = "postgres";

/// A system account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// Its number.
    pub(crate) uid: u32,
    /// Its main group's.
    pub(crate) gid: u32,
}

impl Account {
    /// The account to change to, or `None` if we are not root and need none.
    ///
    /// # Errors
    /// If we are root and there is no account `postgres`.
    pub(crate) fn needed() -> anyhow::Result<Option<Account>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let table = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let account = parse(&table, NAME).with_context(|| {
            format!(
                "Postgres does not run as root, and there is no account {NAME} to run it as: create one \
                 (`useradd --system {NAME}`), or start this command as another user"
            )
        })?;
        Ok(Some(account))
    }

    /// Makes `command` run as this account, without other groups.
    pub(crate) fn apply(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Checks by trying that the account can run `program` and stand in `directory`.
    ///
    /// # Errors
    /// Names the program or the folder on the way that is closed to the account.
    pub(crate) fn check(&self, program: &Path, directory: &Path) -> anyhow::Result<()> {
        let started_in = |directory: &Path| {
            let mut command = Command::new(program);
            self.apply(&mut command);
            command.arg("--version").current_dir(directory);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status()
        };
        started_in(Path::new("/"))
            .with_context(|| format!("the account {NAME} cannot run {}", program.display()))?;
        let Err(error) = started_in(directory) else { return Ok(()) };
        let closed = directory.ancestors().filter(|folder| started_in(folder).is_err()).last();
        let closed = closed.unwrap_or(directory);
        Err(error).with_context(|| {
            format!(
                "{} is closed to the account {NAME}, which runs Postgres because you are root: choose another \
                 directory with --data, for example /var/lib/pulp-dev",
                closed.display()
            )
        })
    }
}

/// The line of `/etc/passwd` for `name`.
fn parse(table: &str, name: &str) -> Option<Account> {
    let line = table.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some(Account { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let table =
            "root:x:0:0:root:/root:/bin/bash\npostgres2:x:7:7::/:\npostgres:x:101:104:,,,:/var:/bin/sh\n";
        let account = parse(table, "postgres").unwrap();
        assert_eq!((account.uid, account.gid), (101, 104));
        assert!(parse(table, "redis").is_none());
    }
}
