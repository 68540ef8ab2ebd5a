//! The one thread that starts processes, and the signal they get when it ends.
//!
//! The kernel sends the parent-death signal when the *thread* that started the child ends, and threads of the
//! async runtime come and go. This thread lives as long as somebody holds a [`Spawner`]: as long as the
//! program.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Context;
use rustix::process::Signal;
use tokio::sync::{mpsc, oneshot};

type Started = std::io::Result<tokio::process::Child>;

/// Starts processes that do not outlive this program, even if it is killed. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Spawner {
    requests: mpsc::Sender<(Command, oneshot::Sender<Started>)>,
}

impl Spawner {
    /// Starts the thread. To be called inside a runtime, which then watches the children.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start() -> std::io::Result<Spawner> {
        let (requests, mut inbox) = mpsc::channel::<(Command, oneshot::Sender<Started>)>(16);
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new().name("spawner".into()).spawn(move || {
            let _inside = runtime.enter();
            while let Some((command, answer)) = inbox.blocking_recv() {
                let started = tokio::process::Command::from(command).kill_on_drop(true).spawn();
                drop(answer.send(started));
            }
        })?;
        Ok(Spawner { requests })
    }

    /// Starts `command` as the leader of its own process group. If this program ends without having stopped
    /// it, the kernel sends it `on_death` (Linux; elsewhere it is only killed when the program ends in
    /// order).
    ///
    /// # Errors
    /// If the program cannot be started; the message names it.
    pub(crate) async fn spawn(
        &self,
        mut command: Command,
        on_death: Signal,
    ) -> anyhow::Result<tokio::process::Child> {
        let program = command.get_program().to_owned();
        command.process_group(0);
        die_with_parent(&mut command, on_death);
        let (answer, started) = oneshot::channel();
        self.requests.send((command, answer)).await.context("the thread that starts processes has ended")?;
        started
            .await
            .context("the thread that starts processes has ended")?
            .with_context(|| format!("cannot start {}", program.display()))
    }
}

/// Asks the kernel, in the child, to send it `signal` when the thread that started it ends.
///
/// It is done after the change of account, which would clear it, and just before the program is executed.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the parent-death signal can only be set between fork and exec")]
pub(crate) fn die_with_parent(command: &mut Command, signal: Signal) {
    let parent = rustix::process::getpid();
    let arrange = move || -> std::io::Result<()> {
        rustix::process::set_parent_process_death_signal(Some(signal))?;
        // The parent may have ended before the signal was set: then nobody would send it.
        if rustix::process::getppid() == Some(parent) { Ok(()) } else { Err(rustix::io::Errno::SRCH.into()) }
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed. The closure makes two system
    // calls and builds an error from a number; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(arrange) };
}

/// Elsewhere the system has no such signal.
#[cfg(not(target_os = "linux"))]
pub(crate) fn die_with_parent(_command: &mut Command, _signal: Signal) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_leads_its_group_and_a_missing_program_is_named() {
        let spawner = Spawner::start().unwrap();
        let mut child = spawner.spawn(Command::new("true"), Signal::KILL).await.unwrap();
        assert!(child.wait().await.unwrap().success());
        let error = spawner.spawn(Command::new("/nonexistent/program"), Signal::KILL).await.unwrap_err();
        assert!(format!("{error:#}").contains("/nonexistent/program"), "{error:#}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_child_dies_with_the_thread_that_started_it() {
        let spawner = Spawner::start().unwrap();
        let mut command = Command::new("sleep");
        command.arg("60");
        let mut child = spawner.spawn(command, Signal::TERM).await.unwrap();
        drop(spawner);
        let status =
            tokio::time::timeout(std::time::Duration::from_secs(10), child.wait()).await.unwrap().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    }
}
