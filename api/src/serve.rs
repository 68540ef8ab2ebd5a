//! The server: connections in, the router's answers out, and an orderly end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use entities::Pulp;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tasking::Tasks;
use tasking::presence::Presence;
use tasking::process::ProcessKind;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::{Component, Context, openapi, router, views};

/// Connections served at the same time; more wait to be accepted.
const CONNECTIONS: usize = 1024;

/// How long a client may take for the headers of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long requests under way may go on after the shutdown began.
const GRACE: Duration = Duration::from_secs(30);

/// Answers requests on `listener` until `shutdown`, then lets those under way end.
///
/// # Errors
/// If the process cannot be registered.
pub async fn serve(
    pulp: Pulp,
    plugins: &[Component],
    tasks: &Tasks,
    listener: TcpListener,
    shutdown: tasking::Shutdown,
) -> anyhow::Result<()> {
    let presence = Presence::begin(&pulp, ProcessKind::Api, tasks).await?;
    let document = Bytes::from(openapi::document(plugins, pulp.links.root()).to_string());
    let context = Context::new(pulp, plugins, tasks, document)?;
    let routes = router::filter(context, views::endpoints(plugins))?;
    let service = TowerToHyperService::new(warp::service(routes));
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    server.http2().timer(TokioTimer::new());
    let server = Arc::new(server);
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = async {
            let place = room.clone().acquire_owned().await.context("the server is closed")?;
            anyhow::Ok((listener.accept().await, place))
        };
        let (stream, place) = tokio::select! {
            accepted = accepted => accepted?,
            () = shutdown.requested() => break,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, mostly: some will be free in a moment.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let connection = server.serve_connection(TokioIo::new(stream), service.clone()).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests that were still under way are cut off");
    }
    presence.end().await;
    Ok(())
}
