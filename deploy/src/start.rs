//! How a service starts: database there, schema right, everything opened, the port bound.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use entities::{Pulp, Settings};
use tokio::net::TcpListener;

use crate::database;
use crate::plugins::Plugins;
use crate::signals::ServerStop;

/// Opens everything a service holds. `role` names its sessions in `pg_stat_activity`.
///
/// # Errors
/// If the database is not there in time or refuses, or its schema is not the one of this program.
pub(crate) async fn open(settings: Arc<Settings>, plugins: Plugins, role: &str) -> anyhow::Result<Pulp> {
    database::wait(&settings).await?;
    let pulp = Pulp::open(settings, plugins.kinds(), role).await?;
    database::check_schema(&pulp.db, &plugins.migrator()).await?;
    Ok(pulp)
}

/// Listens on an address, `host:port` or `:port` for all of them, and says so: with port 0 the system chooses.
///
/// # Errors
/// If the address is taken or none of this machine.
pub(crate) async fn bind(address: &str) -> anyhow::Result<TcpListener> {
    let address = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {address} (is it in use? choose another with --bind)"))?;
    let bound = listener.local_addr()?;
    tracing::info!("listening on http://{bound}");
    // Whoever started the service may not read; that is no reason to fail.
    let _ = writeln!(std::io::stdout(), "listening on http://{bound}");
    Ok(listener)
}

/// Runs a server, unless a second signal ends it first.
pub(crate) async fn until(
    stop: &ServerStop,
    serve: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<ExitCode> {
    tokio::select! {
        served = serve => served?,
        () = stop.shutdown.expired() => tracing::warn!("stopped at once, requests under way are cut off"),
    }
    Ok(ExitCode::SUCCESS)
}
