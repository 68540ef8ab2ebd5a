//! A process under test, with its log in a file. It dies with its value, and with the test.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::until_within;

/// A running process.
#[derive(Debug)]
pub struct Process {
    /// Its name in messages.
    pub name: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts a process that writes its log to `<name>.log` in `directory`.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(name: &str, mut command: Command, directory: &Path) -> Process {
        let log = directory.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        die_with_the_test(&mut command);
        let child = command.spawn().unwrap();
        Process { name: name.to_owned(), log, child }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A figure of `/proc/<pid>/status` in MiB, such as `VmRSS` (memory now) or `VmHWM` (at most so far).
    ///
    /// # Panics
    /// If the process is gone or the system has no such figure.
    pub fn memory(&self, figure: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(figure)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Sends a signal; a process that is gone already is fine.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        let _ = kill_process(pid, signal);
    }

    /// Kills it, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Its exit status, once it has ended.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end in time.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let name = self.name.clone();
        let child = &mut self.child;
        let what = format!("{name} ends");
        until_within(limit, &what, || std::future::ready(child.try_wait().unwrap())).await
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks the kernel to kill the child when the thread that starts it ends: the test's own, or one of its
/// runtime's, which last as long.
#[expect(unsafe_code, reason = "the parent-death signal can only be set between fork and exec")]
fn die_with_the_test(command: &mut Command) {
    // SAFETY: between fork and exec only a system call is made; nothing is allocated, no lock is taken.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
    }
}
