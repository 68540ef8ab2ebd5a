//! One child process: its lines are read, its end is noticed, and it is stopped with patience first, then
//! with force.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::{Output, Supervisor};

/// The longest line shown in one piece, in bytes; a longer one is cut into several.
const LONGEST_LINE: u64 = 16 * 1024;

/// Lines of a child that are kept to explain its end.
const LAST_LINES: usize = 15;

/// Which lines of a child are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Show {
    /// Every line.
    All,
    /// Those that contain one of these words; the others are kept only to explain its end.
    Containing(&'static [&'static str]),
}

/// What is to be started.
#[derive(Debug)]
pub(crate) struct Part {
    /// How it is called in front of its lines.
    pub(crate) name: String,
    /// The program with its arguments, environment and account.
    pub(crate) command: Command,
    /// What the kernel sends it when the supervisor is killed.
    pub(crate) on_death: Signal,
    /// Which of its lines are shown.
    pub(crate) show: Show,
    /// What it reads; nothing if there is none.
    pub(crate) input: Option<File>,
}

/// A started process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    pid: Pid,
    orders: mpsc::Sender<Order>,
    ended: watch::Receiver<Option<ExitStatus>>,
    last: Arc<Mutex<VecDeque<String>>>,
}

#[derive(Debug)]
enum Order {
    One(Signal),
    Group(Signal),
}

impl Child {
    /// Starts `part`. Its output and errors are read line by line.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub(crate) async fn start(supervisor: &Supervisor, part: Part) -> anyhow::Result<Child> {
        let Part { name, mut command, on_death, show, input } = part;
        command
            .stdin(input.map_or_else(Stdio::null, Stdio::from))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = supervisor.spawner.spawn(command, on_death).await?;
        let pid = process.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let pid = pid.with_context(|| format!("{name} ended while it was started"))?;

        let last = Arc::new(Mutex::new(VecDeque::with_capacity(LAST_LINES)));
        let reader =
            Reader { name: name.clone(), show, output: supervisor.output.clone(), last: last.clone() };
        let readers = [
            process.stdout.take().map(|stream| tokio::spawn(reader.clone().read(stream))),
            process.stderr.take().map(|stream| tokio::spawn(reader.read(stream))),
        ];
        let (orders, inbox) = mpsc::channel(8);
        let (announce, ended) = watch::channel(None);
        tokio::spawn(drive(process, pid, inbox, readers, announce));
        Ok(Child { name, pid, orders, ended, last })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> ExitStatus {
        let mut ended = self.ended.clone();
        // The sender is dropped without a status only if the runtime is going down.
        let status = ended.wait_for(Option::is_some).await.map(|status| *status);
        status.ok().flatten().unwrap_or_else(|| ExitStatus::from_raw(1))
    }

    /// Asks it to end with `signal`, waits for `patience`, then kills its whole group.
    pub(crate) async fn stop(&self, signal: Signal, patience: Duration) -> ExitStatus {
        drop(self.orders.send(Order::One(signal)).await);
        if let Ok(status) = tokio::time::timeout(patience, self.ended()).await {
            return status;
        }
        self.kill().await
    }

    /// Kills its whole group and waits for its end.
    pub(crate) async fn kill(&self) -> ExitStatus {
        drop(self.orders.send(Order::Group(Signal::KILL)).await);
        self.ended().await
    }

    /// An error that says how it ended and what it said last.
    pub(crate) fn obituary(&self, status: ExitStatus) -> anyhow::Error {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let said = match last.is_empty() {
            true => String::from("; it said nothing"),
            false => last.iter().fold(String::from("; its last lines:"), |text, line| text + "\n    " + line),
        };
        anyhow::anyhow!("{} has ended ({status}){said}", self.name)
    }
}

/// Owns the process, so that no signal can reach a process id that is no longer its.
async fn drive(
    mut process: tokio::process::Child,
    pid: Pid,
    mut orders: mpsc::Receiver<Order>,
    readers: [Option<JoinHandle<()>>; 2],
    announce: watch::Sender<Option<ExitStatus>>,
) {
    let status = loop {
        tokio::select! {
            status = process.wait() => break status.unwrap_or_else(|_| ExitStatus::from_raw(1)),
            order = orders.recv() => {
                // A process that has just ended cannot be reached; its status comes next.
                let _ = match order {
                    Some(Order::One(signal)) => kill_process(pid, signal),
                    Some(Order::Group(signal)) => kill_process_group(pid, signal),
                    None => kill_process_group(pid, Signal::KILL),
                };
                if order.is_none() {
                    break process.wait().await.unwrap_or_else(|_| ExitStatus::from_raw(1));
                }
            }
        }
    };
    // Its last lines explain its end. A grandchild may hold the pipe open, so the wait is short.
    for reader in readers.into_iter().flatten() {
        drop(tokio::time::timeout(Duration::from_millis(300), reader).await);
    }
    announce.send_replace(Some(status));
}

#[derive(Clone)]
struct Reader {
    name: String,
    show: Show,
    output: Output,
    last: Arc<Mutex<VecDeque<String>>>,
}

impl Reader {
    async fn read(self, stream: impl AsyncRead + Unpin) {
        let style = Output::style(&self.name);
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut stream).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if text.is_empty() {
                continue;
            }
            self.remember(&text);
            if self.shows(&text) {
                self.output.line(&self.name, style, text).await;
            }
        }
    }

    fn shows(&self, text: &str) -> bool {
        match self.show {
            Show::All => true,
            Show::Containing(words) => words.iter().any(|word| text.contains(word)),
        }
    }

    fn remember(&self, text: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(text.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Part {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        let show = Show::Containing(&["shown"]);
        Part { name: "part".into(), command, on_death: Signal::KILL, show, input: None }
    }

    #[tokio::test]
    async fn its_end_is_told_with_status_and_last_lines() {
        let supervisor = Supervisor::new(true).unwrap();
        let child = Child::start(&supervisor, shell("echo shown; echo why >&2; exit 3")).await.unwrap();
        let status = child.ended().await;
        assert_eq!(status.code(), Some(3));
        let obituary = child.obituary(status).to_string();
        assert!(obituary.contains("part has ended") && obituary.contains("why"), "{obituary}");
        supervisor.output.flush().await;
        assert_eq!(supervisor.output.held(), ["part       | shown"]);
    }

    #[tokio::test]
    async fn what_ignores_the_signal_is_killed() {
        let supervisor = Supervisor::new(true).unwrap();
        let script = "trap '' TERM; sleep 60 & echo shown; wait; wait";
        let child = Child::start(&supervisor, shell(script)).await.unwrap();
        let shown = async {
            while supervisor.output.held().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), shown).await.unwrap();
        let status = child.stop(Signal::TERM, Duration::from_millis(50)).await;
        assert_eq!(status.signal(), Some(9));
    }
}
