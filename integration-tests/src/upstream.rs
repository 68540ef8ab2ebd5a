//! An upstream that serves files, counts requests, and misbehaves when it is told to.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use entities::checksum::{Algorithm, Digester};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// How a file is served wrongly.
#[derive(Clone, Debug)]
pub enum Fault {
    /// With this status instead of the file.
    Status(u16),
    /// With this status so many times, then well.
    StatusTimes(u16, usize),
    /// With other bytes of the same length.
    WrongBytes,
    /// With the connection closed after so many bytes.
    Truncated(usize),
    /// With a long pause after so many bytes.
    Stalled(usize),
    /// Well, but only after a while.
    Late(Duration),
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Bytes>,
    faults: BTreeMap<String, Fault>,
    requests: Vec<(String, HeaderMap)>,
}

/// A file server on a port of its own; it ends with the value.
#[derive(Debug)]
pub struct Upstream {
    /// Scheme, host and port, with a slash at its end.
    pub url: String,
    state: Arc<Mutex<State>>,
    server: AbortHandle,
}

impl Upstream {
    /// A server without files.
    ///
    /// # Panics
    /// If no port can be opened.
    pub async fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let server = tokio::spawn(serve(listener, state.clone())).abort_handle();
        Upstream { url, state, server }
    }

    /// A server with so many small files and their manifest.
    pub async fn with_files(count: usize) -> Upstream {
        let upstream = Upstream::start().await;
        for number in 0..count {
            upstream.put(
                &format!("folder{}/file{number}.txt", number % 3),
                format!("content of file {number}\n"),
            );
        }
        upstream.publish();
        upstream
    }

    /// The address of a file.
    pub fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Serves these bytes at a path from now on. The manifest stays as it is.
    pub fn put(&self, path: &str, bytes: impl Into<Bytes>) {
        self.state().files.insert(path.to_owned(), bytes.into());
    }

    /// Serves nothing at a path any more.
    pub fn remove(&self, path: &str) {
        self.state().files.remove(path);
    }

    /// What is served at a path.
    ///
    /// # Panics
    /// If there is nothing.
    pub fn bytes(&self, path: &str) -> Bytes {
        self.state().files[path].clone()
    }

    /// The paths of all files but the manifest.
    pub fn paths(&self) -> Vec<String> {
        self.state().files.keys().filter(|path| *path != "PULP_MANIFEST").cloned().collect()
    }

    /// Writes the manifest of all files.
    pub fn publish(&self) {
        let lines: Vec<String> = self.paths().iter().map(|path| line(path, &self.bytes(path))).collect();
        self.put("PULP_MANIFEST", lines.concat());
    }

    /// Serves a path wrongly from now on, or well again.
    pub fn misbehave(&self, path: &str, fault: impl Into<Option<Fault>>) {
        match fault.into() {
            Some(fault) => self.state().faults.insert(path.to_owned(), fault),
            None => self.state().faults.remove(path),
        };
    }

    /// How often a path was asked for.
    pub fn requests(&self, path: &str) -> usize {
        self.state().requests.iter().filter(|(asked, _)| asked == path).count()
    }

    /// The headers of the last request for a path.
    ///
    /// # Panics
    /// If there was none.
    pub fn headers(&self, path: &str) -> HeaderMap {
        let state = self.state();
        let last = state.requests.iter().rev().find(|(asked, _)| asked == path);
        last.unwrap().1.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The line of a manifest for a file.
pub fn line(path: &str, bytes: &[u8]) -> String {
    format!("{path},{},{}\n", sha256(bytes), bytes.len())
}

/// SHA-256, hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let mut digester = Digester::new(&Default::default());
    digester.update(bytes);
    digester.finish().get(Algorithm::Sha256).unwrap_or_default().to_owned()
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    // Connections end with the server: they are tasks of the set.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        let service = service_fn(move |request| {
            let answer = answer(&state, &request);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connections.spawn(async move {
            // A client that leaves early is no fault here.
            let _ = connection.await;
        });
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

fn answer(state: &Mutex<State>, request: &Request<Incoming>) -> Response<Body> {
    let path =
        percent_decode_str(request.uri().path().trim_start_matches('/')).decode_utf8_lossy().into_owned();
    let mut state = state.lock().unwrap();
    state.requests.push((path.clone(), request.headers().clone()));
    let fault = state.faults.get_mut(&path);
    let status = match fault {
        Some(Fault::Status(status)) => Some(*status),
        Some(Fault::StatusTimes(status, times)) if *times > 0 => {
            *times -= 1;
            Some(*status)
        }
        _ => None,
    };
    let fault = state.faults.get(&path).cloned();
    let mut response = Response::new(body(Bytes::new(), None));
    let Some(bytes) = state.files.get(&path).cloned().filter(|_| status.is_none()) else {
        *response.status_mut() = StatusCode::from_u16(status.unwrap_or(404)).unwrap();
        return response;
    };
    response.headers_mut().insert("content-length", bytes.len().into());
    let wrong = || bytes.iter().map(|byte| byte ^ 1).collect();
    *response.body_mut() = match fault {
        Some(Fault::WrongBytes) => body(wrong(), None),
        Some(Fault::Truncated(length)) => body(bytes.slice(..length), Some(Duration::ZERO)),
        Some(Fault::Stalled(length)) => body(bytes.slice(..length), Some(Duration::from_secs(3600))),
        Some(Fault::Late(pause)) => {
            let late = stream::once(async move {
                tokio::time::sleep(pause).await;
                Ok(Frame::data(bytes))
            });
            BodyExt::boxed(StreamBody::new(late))
        }
        _ => body(bytes, None),
    };
    response
}

/// The bytes, in pieces; then, if there is to be a fault, an error after a pause.
fn body(bytes: Bytes, fault: Option<Duration>) -> Body {
    const PIECE: usize = 16 * 1024;
    let pieces: Vec<Bytes> = (0..bytes.len())
        .step_by(PIECE)
        .map(|from| bytes.slice(from..(from + PIECE).min(bytes.len())))
        .collect();
    let end = stream::iter(fault).then(|pause| async move {
        // Let what was sent arrive first.
        tokio::time::sleep(pause.max(Duration::from_millis(50))).await;
        Err(std::io::Error::other("told to break off"))
    });
    let frames = stream::iter(pieces).map(|piece| Ok(Frame::data(piece))).chain(end);
    BodyExt::boxed(StreamBody::new(frames))
}
