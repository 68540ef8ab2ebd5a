//! The server: connections, their limits, and the end of the process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entities::Pulp;
use http::{HeaderMap, HeaderValue, Method};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tasking::Tasks;
use tasking::presence::Presence;
use tasking::process::ProcessKind;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::Instrument;
use warp::Filter;
use warp::path::FullPath;

use crate::handle::{App, Asked};
use crate::{ContentPlugin, Response, correlation};

/// Open connections; more wait to be accepted.
const CONNECTIONS: usize = 4096;

/// How long a client may take for the headers of a request, and stay idle between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long downloads may go on after the shutdown began.
const DRAIN: Duration = Duration::from_secs(60);

/// Pause after a connection could not be accepted, which mostly means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves content on `listener` until `shutdown`, then lets downloads in flight end, for a minute at most.
///
/// # Errors
/// If the process cannot be registered.
pub async fn serve(
    pulp: Pulp,
    plugins: Arc<[&'static dyn ContentPlugin]>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let presence = Presence::begin(&pulp, ProcessKind::Content, &Tasks::default()).await?;
    let downloads = TaskTracker::new();
    let app = Arc::new(App { pulp, plugins, downloads: downloads.clone() });
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let service = warp::service(routes(app.clone())).map_request(move |mut request: http::Request<_>| {
            request.extensions_mut().insert(peer);
            request
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(HEADER_TIMEOUT);
        let connection =
            builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    downloads.close();
    let drained = async {
        graceful.shutdown().await;
        downloads.wait().await;
    };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("downloads were cut off, they took longer than {} s to end", DRAIN.as_secs());
    }
    presence.end().await;
    Ok(())
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Small answers leave at once; only a socket that is closed already refuses.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            None
        }
    }
}

fn routes(
    app: Arc<App>,
) -> impl Filter<Extract = (Response,), Error = std::convert::Infallible> + Clone + Send + Sync + 'static {
    warp::path::full()
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<SocketAddr>())
        .then(move |path: FullPath, method: Method, headers: HeaderMap, peer: Option<SocketAddr>| {
            let app = app.clone();
            async move { answer(&app, path.as_str().to_owned(), method, headers, peer).await }
        })
}

/// Answers, logs one line, and echoes the correlation id.
async fn answer(
    app: &App,
    path: String,
    method: Method,
    headers: HeaderMap,
    peer: Option<SocketAddr>,
) -> Response {
    let began = Instant::now();
    let correlation_id = correlation::id(&headers);
    let span = tracing::info_span!("request", cid = %correlation_id);
    let asked =
        Asked { method: method.clone(), path: path.clone(), headers, correlation_id: correlation_id.clone() };
    let mut response = app.answer(asked).instrument(span.clone()).await;
    if let Ok(value) = HeaderValue::from_str(&correlation_id) {
        response.headers_mut().insert(correlation::HEADER, value);
    }
    let _entered = span.entered();
    tracing::info!(
        target: "content::access",
        peer = peer.map(tracing::field::display),
        %method,
        path,
        status = response.status().as_u16(),
        ms = began.elapsed().as_millis() as u64,
        "answered"
    );
    response
}
