//! What the tests of the executable share.
#![expect(dead_code, clippy::unwrap_used, reason = "a test's helper ends the test")]

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The executable under test.
pub(crate) fn pulpcore() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulpcore"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PULP_") {
            command.env_remove(name);
        }
    }
    command
}

/// Waits until `condition` holds.
pub(crate) fn wait_for(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes that have the lock of the data directory open, which is all that belong to it, and their
/// command lines. Zombies have nothing open.
pub(crate) fn processes_of(data: &Path) -> Vec<(u32, String)> {
    let lock = data.canonicalize().unwrap().join("lock");
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse() else { continue };
        let files = std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        if files.into_iter().any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target == lock)) {
            let line = std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
            found.push((pid, line.replace('\0', " ")));
        }
    }
    found
}

/// Sends a signal by its name.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(status.unwrap().success());
}

/// A process that is killed when the test ends.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Running {
    /// Starts `command` with piped input and output.
    pub(crate) fn start(command: &mut Command) -> (Running, ChildStdout) {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        // Taken out, because waiting for the child would close it.
        let stdin = child.stdin.take();
        (Running { child, stdin }, stdout)
    }

    /// What it says, if that was piped.
    pub(crate) fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Closes its standard input.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Sends it a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A data directory with a short path.
pub(crate) fn data_directory() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::Builder::new().prefix("pulp").tempdir_in("/tmp").unwrap();
    // Postgres's account must be able to pass, if we are root.
    std::fs::set_permissions(parent.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let data = parent.path().join("d");
    (parent, data)
}
