//! A server from its listeners to its end: the same for the REST API and for content.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use entities::Pulp;
use front::{Bind, Front, Listener, Routes};
use tasking::presence::Presence;
use tasking::process::ProcessKind;
use tasking::{Shutdown, Tasks};

/// What is served, and as what.
pub(crate) struct Server {
    pub(crate) pulp: Pulp,
    pub(crate) kind: ProcessKind,
    /// The tasks that it may dispatch.
    pub(crate) tasks: Tasks,
    pub(crate) front: Front,
    pub(crate) routes: Routes,
    pub(crate) listeners: Vec<Listener>,
}

impl Server {
    /// Serves until the first signal, and lets requests under way end then. The other processes know the
    /// server for as long as it serves.
    ///
    /// # Errors
    /// If the process cannot be registered.
    pub(crate) async fn run(self, stop: &Shutdown) -> anyhow::Result<()> {
        let presence = Presence::begin(&self.pulp, self.kind, &self.tasks).await?;
        front::serve(self.front, self.routes, self.listeners, stop.requested()).await;
        presence.end().await;
        Ok(())
    }
}

/// Listens everywhere, or at `default` if nothing is named, and says so: with port 0 the system chooses.
///
/// # Errors
/// If a place is taken or none of this machine.
pub(crate) async fn bind(places: &[Bind], default: Bind) -> anyhow::Result<Vec<Listener>> {
    let default = [default];
    let places = if places.is_empty() { &default } else { places };
    let mut listeners = Vec::with_capacity(places.len());
    for place in places {
        listeners.push(Listener::bind(place).await?);
    }
    for listener in &listeners {
        let address = listener.address().context("the address of a socket is not known")?;
        tracing::info!("listening on {address}");
        // The program that started the service may not read; that is no reason to fail.
        let _ = writeln!(std::io::stdout(), "listening on {address}");
    }
    Ok(listeners)
}

/// Runs a server, unless a second signal ends it first.
///
/// # Errors
/// Those of the server.
pub(crate) async fn until(
    stop: &Shutdown,
    serve: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<ExitCode> {
    tokio::select! {
        served = serve => served?,
        () = stop.expired() => tracing::warn!("stopped at once, requests under way are cut off"),
    }
    Ok(ExitCode::SUCCESS)
}
