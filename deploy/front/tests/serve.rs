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

/// More than the buffers of a connection hold.
const LARGE: usize = 64 * 1024 * 1024;

/// Says the path of a request, 300 ms later, or much.
fn routes() -> Routes {
    warp::path::full()
        .and(warp::ext::get::<RequestInfo>())
        .then(|path: warp::path::FullPath, info: RequestInfo| async move {
            sleep(Duration::from_millis(300)).await;
            match path.as_str() {
                "/large" => vec![0u8; LARGE].into_response(),
                path => info.url(path).into_response(),
            }
        })
        .boxed()
}

fn front() -> Front {
    Front {
        connections: 10,
        header_timeout: LONG,
        send_timeout: LONG,
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
async fn a_response_that_is_not_read_is_cut_off_and_a_slow_one_is_not() {
    let server = Server::start(Front { send_timeout: Duration::from_millis(300), ..front() }).await;
    let request = b"GET /large HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    let mut unread = server.connect().await;
    unread.write_all(request).await.unwrap();
    let mut slow = server.connect().await;
    slow.write_all(request).await.unwrap();
    let mut piece = vec![0; LARGE / 16];
    let mut read = 0;
    for _ in 0..10 {
        sleep(Duration::from_millis(150)).await;
        read += timeout(LONG, slow.read(&mut piece)).await.unwrap().unwrap();
    }
    let mut bytes = Vec::new();
    read += timeout(LONG, slow.read_to_end(&mut bytes)).await.unwrap().unwrap();
    assert!(read > LARGE, "{read}");
    bytes.clear();
    let _ = timeout(LONG, unread.read_to_end(&mut bytes)).await.unwrap();
    assert!(bytes.len() < LARGE, "all of it came");
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

#[tokio::test]
async fn requests_without_a_path_or_one_host_are_refused() {
    let server = Server::start(front()).await;
    let answer = async |request: &str| {
        let mut stream = server.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let text = rest(&mut stream).await;
        text.lines().next().unwrap_or_default().to_owned()
    };
    for (begin, hosts) in [
        ("CONNECT evil:443 HTTP/1.1", "Host: evil:443\r\n"),
        ("GET evil:443 HTTP/1.1", "Host: a\r\n"),
        ("GET / HTTP/1.1", ""),
        ("GET / HTTP/1.1", "Host: a\r\nHost: a\r\n"),
        ("GET / HTTP/1.1", "Host:\r\n"),
        ("GET / HTTP/1.1", "Host: a b\r\n"),
        ("GET / HTTP/1.1", "Host: a/b\r\n"),
        ("GET / HTTP/1.1", "Host: user:pw@evil\r\n"),
        ("GET / HTTP/1.1", "Host: evil\"<script>\r\n"),
        ("GET http://x@evil/ HTTP/1.1", "Host: a\r\n"),
        ("GET / HTTP/1.0", "Host: a b\r\n"),
    ] {
        let line = answer(&format!("{begin}\r\n{hosts}Connection: close\r\n\r\n")).await;
        assert!(line.ends_with("400 Bad Request"), "{begin} {hosts:?}: {line}");
    }
    for good in ["GET / HTTP/1.0\r\n\r\n", "OPTIONS * HTTP/1.0\r\n\r\n"] {
        assert!(answer(good).await.ends_with("200 OK"), "{good}");
    }
}

#[tokio::test]
async fn the_host_of_the_target_counts() {
    let server = Server::start(front()).await;
    let mut stream = server.connect().await;
    let request = "GET http://b.example:8080/a HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let response = rest(&mut stream).await;
    assert!(response.ends_with("http://b.example:8080/a"), "{response}");
}

#[tokio::test]
async fn headers_are_bounded_in_bytes_but_not_in_the_usual_number() {
    let server = Server::start(front()).await;
    let answer = async |lines: String| {
        let mut stream = server.connect().await;
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n");
        // The server may refuse before all was sent.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = timeout(LONG, stream.read_to_end(&mut bytes)).await.unwrap();
        String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned()
    };
    let many: String = (0..200).map(|number| format!("X-{number}: a\r\n")).collect();
    assert!(answer(many).await.ends_with("200 OK"));
    assert!(answer(format!("X-Long: {}\r\n", "a".repeat(16 * 1024))).await.ends_with("200 OK"));
    let long = answer(format!("X-Long: {}\r\n", "a".repeat(200 * 1024))).await;
    assert!(!long.ends_with("200 OK"), "{long}");
}

/// With prior knowledge; the client's window is so small that nothing of a body can be sent.
async fn http2(server: &Server) -> (h2::client::SendRequest<bytes::Bytes>, JoinHandle<()>) {
    let stream = server.connect().await;
    let (client, connection) =
        h2::client::Builder::new().initial_window_size(0).handshake(stream).await.unwrap();
    let connection = tokio::spawn(async move { drop(connection.await) });
    (client.ready().await.unwrap(), connection)
}

#[tokio::test]
async fn streams_of_one_client_leave_places_for_others() {
    let server = Server::start(Front { connections: 3, ..front() }).await;
    let (mut client, _connection) = http2(&server).await;
    let ask = || http::Request::get("http://a.example/a").body(()).unwrap();
    let asked: Vec<_> = (0..20).map(|_| client.send_request(ask(), true).unwrap().0).collect();
    let mut statuses = Vec::new();
    let mut kept = Vec::new();
    for response in asked {
        let response = timeout(LONG, response).await.unwrap().unwrap();
        statuses.push(response.status().as_u16());
        kept.push(response);
    }
    let served = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(served, 4, "its first and three further ones: {statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");

    let mut other = server.connect().await;
    other.write_all(REQUEST).await.unwrap();
    assert!(rest(&mut other).await.starts_with("HTTP/1.1 200"), "another client has its place");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_dropped() {
    let server = Server::start(Front { send_timeout: Duration::from_millis(200), ..front() }).await;
    let (mut client, connection) = http2(&server).await;
    let request = http::Request::get("http://a.example/a").body(()).unwrap();
    let response = client.send_request(request, true).unwrap().0;
    let _kept = timeout(LONG, response).await.unwrap().unwrap();
    timeout(LONG, connection).await.unwrap().unwrap();
}
