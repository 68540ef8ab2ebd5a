//! The server: connections in, the filter's responses out, and an orderly end.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use entities::repeats::Repeats;
use futures_util::future::join_all;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body, Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::Instrument;
use warp::Reply as _;
use warp::filters::BoxedFilter;

use crate::access::{Counted, Line, User};
use crate::correlation;
use crate::limits::Requests;
use crate::listener::Stream;
use crate::{Listener, RequestInfo, Trusted, request_info};

/// Pause after a connection could not be accepted, which mostly means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes that the headers of a request may have together; so many are read ahead of a body, too.
const HEADERS: usize = 64 * 1024;

/// Lines that the headers of a request may have.
const HEADER_LINES: usize = 256;

/// Requests that a client may have under way on one connection (HTTP/2).
const STREAMS: u32 = 32;

/// Bytes of one response that are read ahead of the client (HTTP/2).
const SEND_BUFFER: usize = 64 * 1024;

/// What answers every request.
pub type Routes = BoxedFilter<(warp::reply::Response,)>;

/// What a server may take and for how long.
#[derive(Clone, Debug)]
pub struct Front {
    /// Open connections; more wait to be accepted. As many requests may be under way beyond the first of each
    /// connection; more get 503.
    pub connections: usize,
    /// How long a client may take for the headers of a request, and be idle between two requests.
    pub header_timeout: Duration,
    /// How long a client may take nothing of a response.
    pub send_timeout: Duration,
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
    let further = Arc::new(Semaphore::new(front.connections));
    let loops = listeners.iter().map(|listener| {
        let places = Places { permits: permits.clone(), further: further.clone() };
        accept(&front, &routes, listener, places, &graceful)
    });
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

/// What limits the connections of all listeners, and their requests.
struct Places {
    permits: Arc<Semaphore>,
    further: Arc<Semaphore>,
}

/// Accepts connections and serves each in a task of its own.
async fn accept(
    front: &Arc<Front>,
    routes: &Routes,
    listener: &Listener,
    places: Places,
    graceful: &GracefulShutdown,
) {
    let refused = Repeats::default();
    loop {
        // The semaphore is never closed.
        let Ok(permit) = places.permits.clone().acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(times) = refused.due() {
                    tracing::warn!(%error, times, "connections could not be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let requests = Requests::new(places.further.clone());
        let connection =
            connection(front.clone(), routes.clone(), stream, peer, requests, graceful.watcher());
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
    requests: Arc<Requests>,
    watcher: Watcher,
) {
    let (timeout, send_timeout) = (front.header_timeout, front.send_timeout);
    let asked = Arc::new(AtomicBool::new(false));
    let (has_asked, of_service) = (asked.clone(), requests.clone());
    let service = service_fn(move |request| {
        asked.store(true, Ordering::Relaxed);
        respond(front.clone(), routes.clone(), peer, of_service.clone(), request)
    });
    // What is on its way already is not waited for by the response any more: the socket has a limit of its
    // own.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(send_timeout));
    let mut builder = Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new()).header_read_timeout(timeout);
    http1.max_buf_size(HEADERS).max_headers(HEADER_LINES);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(timeout);
    http2.max_concurrent_streams(STREAMS).max_send_buf_size(SEND_BUFFER);
    let served = watcher.watch(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
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
        () = requests.stalled(send_timeout) => {
            tracing::debug!(?peer, "a connection whose client takes nothing was closed");
        }
    }
}

/// Has a request answered by the filter, and counts and logs what is sent.
async fn respond(
    front: Arc<Front>,
    routes: Routes,
    peer: Option<IpAddr>,
    requests: Arc<Requests>,
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
    let place = requests.place();
    let mut response = if !request_info::is_valid(&request) {
        plain(StatusCode::BAD_REQUEST)
    } else if place.is_none() {
        let mut response = plain(StatusCode::SERVICE_UNAVAILABLE);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        response
    } else {
        request.extensions_mut().insert(info);
        warp::service(routes).oneshot(request).instrument(span).await?
    };
    if let Ok(cid) = HeaderValue::from_str(&line.info.correlation_id) {
        response.headers_mut().insert(correlation::HEADER, cid);
    }
    line.status = Some(response.status().as_u16());
    line.user = response.extensions_mut().remove::<User>();
    Ok(response.map(|body| Counted::new(body, line, place)))
}

/// A response without any filter.
fn plain(status: StatusCode) -> warp::reply::Response {
    warp::reply::with_status(status.to_string(), status).into_response()
}
