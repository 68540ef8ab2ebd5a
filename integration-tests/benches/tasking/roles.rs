//! The processes of the benchmark: resource managers, and many workers in one.

use std::sync::Arc;

use entities::{Prn, Pulp, settings};
use integration_tests::tasks;
use tasking::Shutdown;
use tasking::process::{ProcessKind, Registration};
use tasking::resource_manager::{self, ManagerOptions, Standby};
use tasking::worker::{self, WorkerOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// The name of a resource.
pub(crate) fn prn(kind: &str, number: usize) -> Prn {
    serde_json::from_value(format!("prn:bench.{kind}:{number}").into()).expect("a text")
}

/// `manager`, or `workers PREFIX COUNT`: that many workers in this process; or `beats PREFIX COUNT`: as many
/// processes as the others see it, which beat and do nothing else.
pub(crate) async fn play(arguments: &[String]) -> anyhow::Result<()> {
    let settings = Arc::new(settings::load()?.settings);
    tracing_subscriber::fmt().with_env_filter("warn").with_writer(std::io::stderr).init();
    let shutdown = Shutdown::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let asked = shutdown.clone();
    tokio::spawn(async move {
        terminate.recv().await;
        asked.graceful();
    });
    match arguments {
        [role] if role == "manager" => {
            let pulp = Pulp::open(settings, tasks::kinds(), "bench-manager").await?;
            resource_manager::run(pulp, ManagerOptions { standby: Standby::Wait }, shutdown).await?;
        }
        [role, prefix, count] if role == "workers" => {
            let pulp = Pulp::open(settings, tasks::kinds(), "bench-worker").await?;
            let mut workers = JoinSet::new();
            for number in 0..count.parse()? {
                let options = WorkerOptions { name: Some(format!("{prefix}{number}")), burst: false };
                workers.spawn(worker::run(pulp.clone(), tasks::all(), options, shutdown.clone()));
            }
            while let Some(ended) = workers.join_next().await {
                ended??;
            }
        }
        [role, prefix, count] if role == "beats" => {
            let pulp = Pulp::open(settings, tasks::kinds(), "bench-beats").await?;
            let mut hearts = Vec::new();
            for number in 0..count.parse()? {
                let (name, ttl) = (format!("{prefix}{number}"), pulp.settings.worker_ttl);
                hearts.push(Registration::start(&pulp, ProcessKind::Worker, &name, &[], ttl).await?);
            }
            shutdown.requested().await;
            for heart in hearts {
                heart.stop().await?;
            }
        }
        _ => anyhow::bail!("no such role: {arguments:?}"),
    }
    Ok(())
}
