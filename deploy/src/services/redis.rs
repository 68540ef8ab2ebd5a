//! The private Redis: started, waited for. It writes nothing to disk.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{DataDirectory, find};
use crate::supervise::{Child, Part, Show, Supervisor};

/// How long it may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// No port, no files, nothing thrown away when memory is short.
const ARGUMENTS: [&str; 14] = [
    "--port",
    "0",
    "--unixsocketperm",
    "700",
    "--save",
    "",
    "--appendonly",
    "no",
    "--daemonize",
    "no",
    "--maxmemory-policy",
    "noeviction",
    "--loglevel",
    "warning",
];

fn socket(directory: &DataDirectory) -> PathBuf {
    directory.sockets().join("redis.sock")
}

/// The URL Redis clients take.
pub(crate) fn url(directory: &DataDirectory) -> String {
    format!("redis+unix://{}", socket(directory).display())
}

/// Starts the server and waits until it answers.
pub(crate) async fn start(supervisor: &Supervisor, directory: &DataDirectory) -> anyhow::Result<Child> {
    let mut command = super::without_settings(&find::redis()?);
    command.arg("--unixsocket").arg(socket(directory)).args(ARGUMENTS).current_dir(directory.sockets());
    let part = Part {
        name: "redis".into(),
        command,
        on_death: Signal::TERM,
        show: Show::Containing(&["rror"]),
        input: None,
    };
    let server = Child::start(supervisor, part).await?;
    tokio::select! {
        status = server.ended() => return Err(server.obituary(status)),
        ready = tokio::time::timeout(READY_WITHIN, ready(directory)) => {
            ready.with_context(|| format!("Redis did not answer within {READY_WITHIN:?}"))?;
        }
    }
    Ok(server)
}

async fn ready(directory: &DataDirectory) {
    while !answers(directory).await.unwrap_or(false) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn answers(directory: &DataDirectory) -> std::io::Result<bool> {
    let mut stream = UnixStream::connect(socket(directory)).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await?;
    Ok(answer == *b"+PONG")
}
