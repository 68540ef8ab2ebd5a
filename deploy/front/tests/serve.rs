//! The server against real connections: its limits and its end.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::time::Duration;

use front::{Bind, Front, Listener, RequestInfo, Routes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::{Filter, Reply};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(10);

/// A server, told apart from the test by its sockets only.
struct Server {
    address: String,
    end: CancellationToken,
    served: JoinHandle<()>,
}

impl Server {
    async fn start(front: Front) -> Server {
        let listener = Listener::bind(&Bind::local(0)).await.unwrap();
        let address = listener.address().unwrap().trim_start_matches("http://").to_owned();
        let end = CancellationToken::new();
        let shutdown = end.clone().cancelled_owned();
        let served =
            tokio::spawn(async move { front::serve(front, routes(), vec![listener], shutdown).await });
        Server { address, end, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }
}

/// Says the path of a request, 300 ms later.
fn routes() -> Routes {
    warp::path::full()
        .and(warp::ext::get::<RequestInfo>())
        .then(|path: warp::path::FullPath, info: RequestInfo| async move {
            sleep(Duration::from_millis(300)).await;
            info.url(path.as_str()).into_response()
        })
        .boxed()
}

fn front() -> Front {
    Front {
        connections: 10,
        header_timeout: LONG,
        grace: LONG,
        trusted: front::Trusted::DEFAULT.parse().unwrap(),
        background: TaskTracker::new(),
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    timeout(LONG, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

const REQUEST: &[u8] = b"GET /a HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_under_way_is_finished_and_new_clients_are_refused() {
    let front = front();
    let background = front.background.clone();
    let server = Server::start(front).await;
    let (mut busy, mut idle) = (server.connect().await, server.connect().await);
    busy.write_all(REQUEST).await.unwrap();
    let saved = background.spawn(sleep(Duration::from_millis(600)));
    sleep(Duration::from_millis(100)).await;
    server.end.cancel();
    sleep(Duration::from_millis(50)).await;
    assert!(TcpStream::connect(&server.address).await.is_err());
    let response = rest(&mut busy).await;
    assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("http://a.example/a"), "{response}");
    assert_eq!(rest(&mut idle).await, "", "it is closed");
    timeout(LONG, server.served).await.unwrap().unwrap();
    assert!(saved.is_finished(), "work in the background is waited for");
}

#[tokio::test]
async fn what_takes_longer_than_the_grace_period_is_cut_off() {
    let front = Front { grace: Duration::from_millis(50), ..front() };
    front.background.spawn(sleep(LONG * 2));
    let server = Server::start(front).await;
    server.end.cancel();
    timeout(LONG, server.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn clients_that_are_silent_are_dropped() {
    let server = Server::start(Front { header_timeout: Duration::from_millis(100), ..front() }).await;
    for begun in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost:"] {
        let mut stream = server.connect().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let read = timeout(LONG, stream.read_to_end(&mut bytes)).await;
        assert!(read.is_ok(), "{begun:?} keeps the connection open");
    }
    let mut slow = server.connect().await;
    slow.write_all(REQUEST).await.unwrap();
    assert!(rest(&mut slow).await.starts_with("HTTP/1.1 200"), "a response may take longer");
}

#[tokio::test]
async fn more_clients_than_places_wait() {
    let server = Server::start(Front { connections: 1, ..front() }).await;
    let first = server.connect().await;
    sleep(Duration::from_millis(50)).await;
    let mut second = server.connect().await;
    second.write_all(REQUEST).await.unwrap();
    assert!(timeout(Duration::from_millis(600), second.readable()).await.is_err());
    drop(first);
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 200"));
}
