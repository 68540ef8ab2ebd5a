//! The relay between the workers of a host: a unix socket that one of them has bound, the shared listener.
//!
//! Its name is abstract, so nothing is left of it when its owner dies, however that was. Only processes of
//! the same user talk to each other.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use uuid::Uuid;

/// A shared listener that says nothing for so long does not listen either.
const SILENCE: Duration = Duration::from_secs(3);

/// What the shared listener tells a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// There may be work.
    Work,
    /// Its task may have been canceled.
    Cancel,
    /// Nothing; but the shared listener has just looked.
    Nothing,
}

impl Signal {
    fn byte(self) -> u8 {
        match self {
            Signal::Work => b'w',
            Signal::Cancel => b'c',
            Signal::Nothing => b'.',
        }
    }

    fn of(byte: u8) -> Signal {
        match byte {
            b'w' => Signal::Work,
            b'c' => Signal::Cancel,
            _ => Signal::Nothing,
        }
    }
}

/// What this worker is on its host.
#[derive(Debug)]
pub(super) enum Role {
    /// The shared listener: the others will ask at this socket.
    Owner(UnixListener),
    /// One of those for which another worker listens.
    Subscriber(Subscription),
}

/// The connection to the shared listener.
#[derive(Debug)]
pub(super) struct Subscription(UnixStream);

/// Connects to the shared listener of this host and installation, or takes its place if it is free. Deputy 0
/// is the shared listener, the others stand in for it in turn.
///
/// # Errors
/// If the one whose place it is does not reply.
pub(super) async fn join(installation: Uuid, worker: Uuid, deputy: u8) -> io::Result<Role> {
    // The leading zero makes the name abstract.
    let name = format!("\0pulp/{installation}/{deputy}");
    match UnixListener::bind(&name) {
        Ok(listener) => return Ok(Role::Owner(listener)),
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => return Err(error),
        Err(_) => {}
    }
    // Fails at once if too many wait there already.
    let mut hearing = Subscription(UnixStream::connect(&name).await?);
    is_ours(&hearing.0)?;
    hearing.0.write_all(worker.as_bytes()).await?;
    // It may be stopped, or may not know this worker.
    hearing.next().await?;
    Ok(Role::Subscriber(hearing))
}

impl Subscription {
    /// What is told next.
    ///
    /// # Errors
    /// If the shared listener is gone or silent.
    pub(super) async fn next(&mut self) -> io::Result<Signal> {
        let byte = tokio::time::timeout(SILENCE, self.0.read_u8()).await;
        Ok(Signal::of(byte.map_err(|_| io::ErrorKind::TimedOut)??))
    }
}

/// Who asks at the other end of a connection.
pub(super) async fn accept_worker(stream: &mut UnixStream) -> io::Result<Uuid> {
    is_ours(stream)?;
    let mut worker = [0; 16];
    tokio::time::timeout(SILENCE, stream.read_exact(&mut worker))
        .await
        .map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(Uuid::from_bytes(worker))
}

/// Forwards what a worker is told, until it is gone or there is nothing more to tell.
pub(super) async fn forward(mut stream: UnixStream, mut signals: mpsc::Receiver<Signal>) -> io::Result<()> {
    let mut more = [0; 1];
    let (mut ended, mut writer) = stream.split();
    loop {
        let signal = tokio::select! {
            signal = signals.recv() => match signal {
                Some(signal) => signal,
                None => return Ok(()),
            },
            _ = ended.read(&mut more) => return Ok(()),
        };
        let written = tokio::time::timeout(SILENCE, writer.write_u8(signal.byte())).await;
        written.map_err(|_| io::ErrorKind::TimedOut)??;
    }
}

fn is_ours(stream: &UnixStream) -> io::Result<()> {
    match stream.peer_cred()?.uid() == rustix::process::getuid().as_raw() {
        true => Ok(()),
        false => Err(io::ErrorKind::PermissionDenied.into()),
    }
}
