//! The server: connections in, the filter's responses out, and an orderly end.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::{HeaderValue, Request, Response};
use hyper::body::{Body, Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::Instrument;
use warp::filters::BoxedFilter;

use crate::access::{Counted, Line, User};
use crate::correlation;
use crate::listener::Stream;
use crate::{Listener, RequestInfo, Trusted};

/// Pause after a connection could not be accepted, which mostly means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What answers every request.
pub type Routes = BoxedFilter<(warp::reply::Response,)>;

/// What a server may take and for how long.
#[derive(Clone, Debug)]
pub struct Front {
    /// Open connections; more wait to be accepted.
    pub connections: usize,
    /// How long a client may take for the headers of a request, and be idle between two requests.
    pub header_timeout: Duration,
    /// How long requests under way may go on after the shutdown began.
    pub grace: Duration,
    /// The proxies that are believed.
    pub trusted: Trusted,
    /// Work that outlives its request; it is waited for as requests are.
    pub background: TaskTracker,
}

/// Serves on all listeners until `shutdown` ends, then lets requests under way end, within the grace period.
pub async fn serve(
    front: Front,
    routes: Routes,
    listeners: Vec<Listener>,
    shutdown: impl Future<Output = ()>,
) {
    let (front, graceful) = (Arc::new(front), GracefulShutdown::new());
    let permits = Arc::new(Semaphore::new(front.connections));
    let loops = listeners.iter().map(|listener| accept(&front, &routes, listener, &permits, &graceful));
    tokio::select! {
        () = shutdown => {}
        _ = join_all(loops) => {}
    }
    // New clients are refused from now on.
    drop(listeners);
    front.background.close();
    let drained = async {
        graceful.shutdown().await;
        front.background.wait().await;
    };
    if tokio::time::timeout(front.grace, drained).await.is_err() {
        tracing::warn!("requests were cut off that took longer than {} s to end", front.grace.as_secs());
    }
}

/// Accepts connections and serves each in a task of its own.
async fn accept(
    front: &Arc<Front>,
    routes: &Routes,
    listener: &Listener,
    permits: &Arc<Semaphore>,
    graceful: &GracefulShutdown,
) {
    loop {
        // The semaphore is never closed.
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = connection(front.clone(), routes.clone(), stream, peer, graceful.watcher());
        tokio::spawn(async move {
            connection.await;
            drop(permit);
        });
    }
}

/// Serves the requests of one connection.
async fn connection(
    front: Arc<Front>,
    routes: Routes,
    stream: Stream,
    peer: Option<IpAddr>,
    watcher: Watcher,
) {
    let (timeout, asked) = (front.header_timeout, Arc::new(AtomicBool::new(false)));
    let has_asked = asked.clone();
    let service = service_fn(move |request| {
        asked.store(true, Ordering::Relaxed);
        respond(front.clone(), routes.clone(), peer, request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(timeout);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(timeout);
    let served = watcher.watch(builder.serve_connection(TokioIo::new(stream), service));
    // The library has no time limit for finding out which HTTP it is.
    let silent = async {
        tokio::time::sleep(timeout).await;
        if has_asked.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        served = served => {
            if let Err(error) = served {
                tracing::debug!(?peer, error, "a connection ended early");
            }
        }
        () = silent => tracing::debug!(?peer, "a connection without a request was closed"),
    }
}

/// Has a request answered by the filter, and counts and logs what is sent.
async fn respond(
    front: Arc<Front>,
    routes: Routes,
    peer: Option<IpAddr>,
    mut request: Request<Incoming>,
) -> Result<Response<impl Body<Data = Bytes, Error = warp::Error>>, Infallible> {
    let began = Instant::now();
    let address = request.uri().clone();
    let info = RequestInfo::read(request.headers_mut(), &address, peer, &front.trusted);
    let span = tracing::info_span!("request", cid = info.correlation_id);
    let mut line = Line {
        span: span.clone(),
        began,
        info: info.clone(),
        method: request.method().clone(),
        path: address.path_and_query().map_or("*", |path| path.as_str()).to_owned(),
        status: None,
        user: None,
        bytes: 0,
    };
    request.extensions_mut().insert(info);
    let mut response = warp::service(routes).oneshot(request).instrument(span).await?;
    if let Ok(cid) = HeaderValue::from_str(&line.info.correlation_id) {
        response.headers_mut().insert(correlation::HEADER, cid);
    }
    line.status = Some(response.status().as_u16());
    line.user = response.extensions_mut().remove::<User>();
    Ok(response.map(|body| Counted { body, line }))
}
