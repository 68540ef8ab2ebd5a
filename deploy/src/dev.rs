//! `pulpcore dev`: all of Pulp in one terminal, on a private Postgres and Redis.

mod environment;
mod installation;
mod parts;
mod secrets;
mod welcome;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;

pub(crate) use installation::{Installation, Plan};

use crate::supervise::{StopSignals, Supervisor};

/// What the command takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Where everything is kept [default: /var/lib/pulp-dev for root, else ~/.local/share/pulp-dev]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many task workers
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// How many resource managers: one leads, the others are started again and again until they can
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=8))]
    managers: u16,
    /// Where the REST API listens [default: 127.0.0.1:24817]
    #[arg(long, value_name = "ADDR:PORT")]
    api: Option<SocketAddr>,
    /// Where content is served [default: 127.0.0.1:24816]
    #[arg(long, value_name = "ADDR:PORT")]
    content: Option<SocketAddr>,
    /// Mirror, publish and download real files in a temporary installation, report, and stop
    #[arg(long, conflicts_with = "data")]
    once: bool,
    /// The folder with the files [default: /usr/share/doc]
    #[arg(long, value_name = "DIR", requires = "once")]
    source: Option<PathBuf>,
}

/// Runs until a signal asks to stop, or a part dies.
///
/// # Errors
/// If something cannot be started, or ends by itself; everything else is stopped first.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    if options.once {
        return crate::once::run(&options).await;
    }
    let mut signals = StopSignals::listen()?;
    let supervisor = Supervisor::new(false)?;
    let plan = Plan {
        data: match options.data {
            Some(path) => path,
            None => default_directory()?,
        },
        workers: options.workers,
        managers: options.managers,
        api: options.api.unwrap_or_else(|| local(24817)),
        content: options.content.unwrap_or_else(|| local(24816)),
        private: false,
    };
    let outcome = supervised(&supervisor, plan, &mut signals).await;
    supervisor.output.flush().await;
    outcome
}

async fn supervised(supervisor: &Supervisor, plan: Plan, signals: &mut StopSignals) -> anyhow::Result<()> {
    let started = tokio::select! {
        started = Installation::start(supervisor, plan) => started,
        _ = signals.next() => return Ok(()),
    };
    let mut installation = started?;
    supervisor.output.flush().await;
    welcome::show(&installation);
    let outcome = tokio::select! {
        error = installation.failed() => Err(error),
        _ = signals.next() => Ok(()),
    };
    if outcome.is_ok() {
        supervisor.output.say("stopping; once more to kill").await;
    }
    tokio::select! {
        () = installation.stop() => {}
        _ = signals.next() => {}
    }
    outcome
}

impl Options {
    /// The plan of a throw-away installation in `data`, on ports that are free now.
    ///
    /// # Errors
    /// If there is no free port.
    pub(crate) fn once(&self, data: PathBuf) -> anyhow::Result<Plan> {
        let [api, content] = free_addresses().context("no free port")?;
        Ok(Plan {
            data,
            workers: self.workers,
            managers: self.managers,
            api: self.api.unwrap_or(api),
            content: self.content.unwrap_or(content),
            private: true,
        })
    }

    /// The folder to take files from, if one was named.
    pub(crate) fn source(&self) -> Option<&std::path::Path> {
        self.source.as_deref()
    }
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Two addresses nobody listens on. Both are taken before either is given back, so that they differ.
fn free_addresses() -> std::io::Result<[SocketAddr; 2]> {
    let listen = || std::net::TcpListener::bind(local(0));
    let listeners = [listen()?, listen()?];
    Ok([listeners[0].local_addr()?, listeners[1].local_addr()?])
}

fn default_directory() -> anyhow::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/pulp-dev"));
    }
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let share = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")));
    let share =
        share.context("neither HOME nor XDG_DATA_HOME is set: say with --data where to keep things")?;
    Ok(share.join("pulp-dev"))
}
