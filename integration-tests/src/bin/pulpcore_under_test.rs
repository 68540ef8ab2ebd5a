//! `pulpcore worker` that knows the test tasks, too. Everything else of the product is tested as it is shipped.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use entities::Pulp;
use integration_tests::tasks;
use tasking::Shutdown;
use tasking::resource_manager::{self, ManagerOptions, Standby};
use tasking::worker::{self, WorkerOptions};
use tokio::signal::unix::{SignalKind, signal};

/// `pulpcore worker`, with the test tasks.
#[derive(Debug, Parser)]
enum Arguments {
    /// Run tasks, or route them
    Worker {
        /// Route tasks to workers instead of running them
        #[arg(long)]
        resource_manager: bool,
        /// What a manager does while another one leads
        #[arg(long, default_value = "exit")]
        standby: Standby,
        /// The worker's name
        #[arg(short, long)]
        name: Option<String>,
        /// End when no task is left
        #[arg(long)]
        burst: bool,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments::Worker { resource_manager, standby, name, burst } = Arguments::parse();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = entities::settings::load()?.settings;
    let filter = tracing_subscriber::EnvFilter::try_new(format!("sqlx=warn,{}", settings.log_level))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let shutdown = shutdown(settings.task_grace_interval)?;
        tasks::install();
        let role = if resource_manager { "pulpcore-resource-manager" } else { "pulpcore-worker" };
        let pulp = Pulp::open(Arc::new(settings), role).await?;
        if resource_manager {
            let outcome = resource_manager::run(pulp, ManagerOptions { standby }, shutdown).await?;
            return Ok(ExitCode::from(outcome.exit_status()));
        }
        worker::run(pulp, tasks::all(), WorkerOptions { name, burst }, shutdown).await?;
        Ok(ExitCode::SUCCESS)
    });
    // Blocking work that is left must not keep the process.
    runtime.shutdown_background();
    ended
}

/// What the product's executable makes of signals.
fn shutdown(grace: Duration) -> anyhow::Result<Shutdown> {
    let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = Shutdown::new();
    let asked = shutdown.clone();
    tokio::spawn(async move {
        let mut interrupted = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => asked.graceful(),
                _ = hang_up.recv() => asked.graceful(),
                _ = interrupt.recv() => {
                    if interrupted { asked.immediate() } else { asked.within(grace) }
                    interrupted = true;
                }
            }
        }
    });
    Ok(shutdown)
}
