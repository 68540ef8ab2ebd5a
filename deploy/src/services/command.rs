//! `pulpcore services`: the private servers for tests, for as long as whoever started them lives.

use std::io::{Read, Write};
use std::path::PathBuf;

use serde_json::json;
use tokio::sync::oneshot;

use super::postgres::SESSIONS;
use super::{DataDirectory, Services, Wanted};
use crate::supervise::{StopSignals, Supervisor};

/// What the command takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Where the servers keep their files
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Trade durability for speed: for tests only
    #[arg(long)]
    no_fsync: bool,
    /// How many sessions Postgres takes
    #[arg(long, value_name = "COUNT", default_value_t = SESSIONS)]
    sessions: u32,
}

/// Starts both servers, prints one line of JSON when they answer, and stops them when standard input ends or
/// a signal asks for it.
///
/// # Errors
/// If a server cannot be started, or ends by itself.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let mut signals = StopSignals::listen()?;
    let input_ends = input_ends()?;
    let supervisor = Supervisor::new(false)?;
    let starting = async {
        let directory = DataDirectory::open(&options.data).await?;
        let wanted =
            Wanted { postgres: true, redis: true, durable: !options.no_fsync, sessions: options.sessions };
        let services = Services::start(&supervisor, &directory, wanted).await?;
        anyhow::Ok((directory, services))
    };
    let stop = async {
        tokio::select! {
            _ = input_ends => {}
            _ = signals.next() => {}
        }
    };
    tokio::pin!(stop);
    let (_directory, services) = tokio::select! {
        started = starting => started?,
        () = &mut stop => return Ok(()),
    };
    announce(&services)?;
    let outcome = tokio::select! {
        () = stop => Ok(()),
        error = services.failed() => Err(error),
    };
    services.stop().await;
    supervisor.output.flush().await;
    outcome
}

fn announce(services: &Services) -> anyhow::Result<()> {
    let mut line = serde_json::to_value(&services.addresses)?;
    let environment: serde_json::Map<_, _> =
        services.addresses.environment().into_iter().map(|(name, value)| (name, json!(value))).collect();
    line["environment"] = json!(environment);
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// Resolves when nobody can write to our standard input any more. A thread reads it: a read cannot be given
/// up.
fn input_ends() -> std::io::Result<oneshot::Receiver<()>> {
    let (ended, wait) = oneshot::channel();
    std::thread::Builder::new().name("input".into()).spawn(move || {
        let mut buffer = [0; 256];
        let mut stdin = std::io::stdin().lock();
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => break,
                _ => {}
            }
        }
        let _ = ended.send(());
    })?;
    Ok(wait)
}
