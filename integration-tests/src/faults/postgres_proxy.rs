//! A proxy in front of Postgres that knows where messages begin, so that it can strike right before or after
//! a commit.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::proxy::{Gate, Listener, listen};
use super::wire::{Message, Statements};

/// What happens to a statement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strike {
    /// The connection is cut; the server never sees it.
    CutBefore,
    /// The server runs it; the connection is cut before its answer arrives.
    CutAfter,
    /// It arrives later.
    Delay(Duration),
    /// The process that sent it is stopped for a while, and it arrives only then.
    Stop(u32, Duration),
}

/// A strike that waits for its statement.
#[derive(Clone, Debug)]
pub struct Trap {
    /// Begins or is contained in the text of the statement; of several, any.
    pub statements: &'static [&'static str],
    /// What happens then.
    pub strike: Strike,
}

/// Sets traps; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Traps(Arc<Mutex<Vec<Trap>>>);

impl Traps {
    /// Waits for the next statement that fits, once.
    pub fn set(&self, trap: Trap) {
        self.lock().push(trap);
    }

    /// Whether everything set has struck.
    pub fn struck(&self) -> bool {
        self.lock().is_empty()
    }

    /// Removes what has not struck.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn take(&self, statement: &str) -> Option<Strike> {
        let mut traps = self.lock();
        let fits = |trap: &Trap| trap.statements.iter().any(|text| statement.contains(text));
        let position = traps.iter().position(fits)?;
        Some(traps.remove(position).strike)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Trap>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens on `path` for clients of the Postgres at `upstream`.
pub fn start(path: &Path, upstream: PathBuf) -> (Gate, Traps, Listener) {
    let (gate, traps) = (Gate::default(), Traps::default());
    let (inner, set) = (gate.clone(), traps.clone());
    let listener = listen(path, upstream, gate.clone(), move |client, server| {
        let (gate, traps) = (inner.clone(), set.clone());
        async move {
            let _ = session(client, server, &gate, &traps).await;
        }
    });
    (gate, traps, listener)
}

async fn session(client: UnixStream, server: UnixStream, gate: &Gate, traps: &Traps) -> std::io::Result<()> {
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (mut from_client, mut to_client) = (BufReader::new(from_client), BufWriter::new(to_client));
    let (mut from_server, mut to_server) = (BufReader::new(from_server), BufWriter::new(to_server));
    loop {
        let start = Message::read_start(&mut from_client).await?;
        gate.pass().await;
        to_server.write_all(&start.bytes).await?;
        to_server.flush().await?;
        if !start.asks_for_encryption() {
            break;
        }
        to_client.write_u8(from_server.read_u8().await?).await?;
        to_client.flush().await?;
    }
    let swallow = AtomicBool::new(false);
    tokio::select! {
        done = requests(from_client, to_server, gate, traps, &swallow) => done,
        done = answers(from_server, to_client, gate, &swallow) => done,
    }
}

async fn requests(
    mut from: BufReader<OwnedReadHalf>,
    mut to: BufWriter<OwnedWriteHalf>,
    gate: &Gate,
    traps: &Traps,
    swallow: &AtomicBool,
) -> std::io::Result<()> {
    let mut statements = Statements::default();
    loop {
        let message = Message::read(&mut from).await?;
        let strike = statements.follow(&message).and_then(|statement| traps.take(&statement));
        match strike {
            None => {}
            Some(Strike::CutBefore) => return Ok(()),
            Some(Strike::CutAfter) => swallow.store(true, Ordering::Release),
            Some(Strike::Delay(duration)) => tokio::time::sleep(duration).await,
            Some(Strike::Stop(pid, duration)) => {
                signal(pid, Signal::STOP);
                // Not to be forgotten if the connection is cut meanwhile.
                let woken = tokio::spawn(async move {
                    tokio::time::sleep(duration).await;
                    signal(pid, Signal::CONT);
                });
                let _ = woken.await;
            }
        }
        gate.pass().await;
        to.write_all(&message.bytes).await?;
        if from.buffer().is_empty() {
            to.flush().await?;
        }
    }
}

async fn answers(
    mut from: BufReader<OwnedReadHalf>,
    mut to: BufWriter<OwnedWriteHalf>,
    gate: &Gate,
    swallow: &AtomicBool,
) -> std::io::Result<()> {
    loop {
        let message = Message::read(&mut from).await?;
        gate.pass().await;
        if swallow.load(Ordering::Acquire) {
            // `Z`: the statement is done, and with it its commit.
            if message.kind == b'Z' {
                return Ok(());
            }
            continue;
        }
        to.write_all(&message.bytes).await?;
        if from.buffer().is_empty() {
            to.flush().await?;
        }
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Somebody else may have killed it meanwhile.
        let _ = kill_process(pid, signal);
    }
}
