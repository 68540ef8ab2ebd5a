//! Downloads from upstreams that compress, redirect, break connections, are busy, or have certificates of
//! their own.
#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use entities::checksum::{Digests, Expected};
use entities::remote;
use support::Bench;
use tasking::download::Downloader;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{ServerConfig, crypto};

const BYTES: &str = "These are the bytes of the file, these are the bytes of the file.\n";

/// `sha256sum` of them.
const SHA256: &str = "79017585b4abe8bcb45967852dade55c2c356ad94d1b229b8c48f49c96b95b69";

/// A request: the how many-th on its connection it is, and its head.
struct Asked {
    of_connection: usize,
    head: String,
}

type Answer = Arc<dyn Fn(&Asked) -> Option<Vec<u8>> + Send + Sync>;

/// A server that returns what it is told, byte for byte; without an answer it resets the connection.
struct Raw {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Raw {
    async fn start(answer: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static) -> Raw {
        Raw::start_with(None, answer).await
    }

    async fn start_with(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Raw {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heads, answer): (Arc<Mutex<Vec<String>>>, Answer) = (Arc::default(), Arc::new(answer));
        let told = heads.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (heads, answer, tls) = (told.clone(), answer.clone(), tls.clone());
                tokio::spawn(async move {
                    stream.set_zero_linger().unwrap();
                    match tls {
                        None => converse(stream, heads, answer).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, heads, answer).await;
                            }
                        }
                    }
                });
            }
        });
        Raw { port, heads }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    heads: Arc<Mutex<Vec<String>>>,
    answer: Answer,
) {
    let mut of_connection = 0;
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        heads.lock().unwrap().push(head.clone());
        of_connection += 1;
        let Some(bytes) = answer(&Asked { of_connection, head }) else { return };
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

fn response(status: &str, headers: &str, body: &[u8]) -> Option<Vec<u8>> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    Some([head.as_bytes(), body].concat())
}

fn file() -> Option<Vec<u8>> {
    response("200 OK", "", BYTES.as_bytes())
}

fn expected() -> Expected {
    Expected { size: Some(BYTES.len() as u64), digests: Digests::sha256(SHA256) }
}

fn remote() -> remote::Model {
    remote::Model { tls_validation: true, ..remote::Model::default() }
}

fn downloader(bench: &Bench, remote: &remote::Model) -> Downloader {
    Downloader::new(&bench.pulp, remote, "0123").unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn no_coding_is_asked_for_and_one_that_comes_is_removed_if_the_file_has_none() {
    let bench = Bench::start().await;
    let coded = gzip(BYTES.as_bytes());
    let body = coded.clone();
    let upstream = Raw::start(move |_| response("200 OK", "Content-Encoding: gzip\r\n", &body)).await;
    let (downloader, url) = (downloader(&bench, &remote()), upstream.url("a"));
    let staged = downloader.fetch(&url, &expected()).await.unwrap();
    assert_eq!(staged.digests.get(entities::checksum::Algorithm::Sha256), Some(SHA256));
    assert!(upstream.heads()[0].contains("accept-encoding: identity\r\n"), "{}", upstream.heads()[0]);

    // The coding may be a part of the file, whose name then ends with .gz.
    let size = Expected { size: Some(coded.len() as u64), digests: Digests::default() };
    assert_eq!(downloader.fetch(&url, &size).await.unwrap().size, coded.len() as u64);
    // Nothing is known of metadata.
    assert_eq!(downloader.fetch_metadata(&url).await.unwrap().size, BYTES.len() as u64);

    let other = Expected { size: Some(3), digests: Digests::default() };
    let impatient = remote::Model { max_retries: Some(0), ..remote() };
    assert!(self::downloader(&bench, &impatient).fetch(&url, &other).await.is_err());
    bench.stop().await;
}

#[tokio::test]
async fn what_belongs_to_a_remote_stays_with_its_origin() {
    let bench = Bench::start().await;
    let elsewhere = Raw::start(|_| file()).await;
    let target = elsewhere.url("b");
    let upstream = Raw::start(move |asked| match asked.head.contains("get /moved ") {
        true => response("302 Found", &format!("Location: {target}\r\n"), b""),
        false => response("301 Moved", "Location: /moved\r\n", b""),
    })
    .await;
    let token = |text: &str| Some(bench.pulp.keyring.encrypt(text));
    let remote = remote::Model {
        headers: Some(serde_json::json!([{"X-Api-Key": "secret", "User-Agent": "mine"}])),
        username: token("user"),
        password: token("secret"),
        ..remote()
    };
    downloader(&bench, &remote).fetch(&upstream.url("a?sig=secret"), &expected()).await.unwrap();
    for head in upstream.heads() {
        assert!(head.contains("x-api-key: secret") && head.contains("authorization: basic"), "{head}");
    }
    assert_eq!((upstream.heads().len(), elsewhere.heads().len()), (2, 1));
    let head = &elsewhere.heads()[0];
    for kept in ["secret", "authorization", "referer", "x-api-key", "cookie"] {
        assert!(!head.contains(kept), "{kept} goes along: {head}");
    }
    assert!(head.contains("mine\r\n"), "{head}");
    bench.stop().await;
}

#[tokio::test]
async fn redirects_end_somewhere_and_only_http_is_followed() {
    let bench = Bench::start().await;
    let upstream = Raw::start(|asked| match asked.head.contains("get /round ") {
        true => response("302 Found", "Location: /round\r\n", b""),
        false => response("302 Found", "Location: file:///etc/passwd\r\n", b""),
    })
    .await;
    let downloader = downloader(&bench, &remote());
    for path in ["round", "file"] {
        let error = downloader.fetch(&upstream.url(path), &Expected::default()).await.unwrap_err();
        assert!(error.to_string().contains("redirect"), "{error}");
    }
    assert_eq!(upstream.heads().len(), 12, "neither is tried again");
    bench.stop().await;
}

#[tokio::test]
async fn connections_that_break_when_they_are_used_again_cost_nothing() {
    let bench = Bench::start().await;
    let upstream = Raw::start(|asked| file().filter(|_| asked.of_connection == 1)).await;
    let downloader = downloader(&bench, &remote::Model { max_retries: Some(0), ..remote() });
    for number in 0..5 {
        let done = downloader.fetch(&upstream.url("a"), &expected()).await;
        assert!(done.is_ok(), "{number}: {:?}", done.err());
    }
    bench.stop().await;
}

#[tokio::test]
async fn a_busy_upstream_is_left_alone_by_all_downloads_for_as_long_as_it_says() {
    let bench = Bench::start().await;
    let began = Instant::now();
    let upstream = Raw::start(move |_| match began.elapsed() < Duration::from_secs(2) {
        true => response("429 Too Many Requests", "Retry-After: 2\r\n", b""),
        false => file(),
    })
    .await;
    let downloader = downloader(&bench, &remote::Model { max_retries: Some(1), ..remote() });
    let url = upstream.url("a");
    let all = (0..5).map(|_| async { downloader.fetch(&url, &expected()).await.unwrap() });
    futures_util::future::join_all(all).await;
    assert!(upstream.heads().len() <= 10, "each asks once before and once after: {}", upstream.heads().len());

    let never = Raw::start(|_| response("503 Busy", "Retry-After: 100000\r\n", b"")).await;
    let began = Instant::now();
    assert!(downloader.fetch(&never.url("a"), &expected()).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(5), "what is too long is not waited for");
    bench.stop().await;
}

#[tokio::test]
async fn heads_may_be_long_and_folded() {
    let bench = Bench::start().await;
    let upstream = Raw::start(|_| {
        let lines: String = (0..300).map(|number| format!("X-{number}: a\r\n")).collect();
        response("200 OK", &format!("{lines}X-Folded: a\r\n  b\r\n"), BYTES.as_bytes())
    })
    .await;
    downloader(&bench, &remote()).fetch(&upstream.url("a"), &expected()).await.unwrap();
    bench.stop().await;
}

#[tokio::test]
async fn what_has_no_announced_length_is_bounded() {
    let bench = Bench::start().await;
    let upstream = Raw::start(|_| {
        Some([b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".as_slice(), &[b'a'; 100_000]].concat())
    })
    .await;
    let url = upstream.url("a?sig=secret");
    let downloader = downloader(&bench, &remote());
    let error = downloader.fetch_within(&url, &Expected::default(), 50_000, None).await.unwrap_err();
    assert!(error.to_string().contains("exceeds the limit of 50000 bytes"), "{error}");
    assert!(!format!("{:#}", anyhow::Error::from(error)).contains("secret"));
    assert_eq!(upstream.heads().len(), 1, "it is not tried again");

    // Few bytes that become many.
    let bomb = gzip(&vec![0; 10_000_000]);
    let upstream = Raw::start(move |_| response("200 OK", "Content-Encoding: gzip\r\n", &bomb)).await;
    let done = downloader.fetch_within(&upstream.url("a"), &Expected::default(), 50_000, None).await.unwrap();
    assert!(done.size < 50_000, "the bytes as they are are kept: {}", done.size);
    bench.stop().await;
}

#[tokio::test]
async fn numbers_and_proxies_that_are_stored_already_do_no_harm() {
    let bench = Bench::start().await;
    let upstream = Raw::start(|_| file()).await;
    let timeout = Some(1e300);
    let endless = remote::Model {
        total_timeout: timeout,
        connect_timeout: timeout,
        sock_connect_timeout: timeout,
        sock_read_timeout: timeout,
        ..remote()
    };
    downloader(&bench, &endless).fetch(&upstream.url("a"), &expected()).await.unwrap();
    for proxy in ["ftp://127.0.0.1:1", "foo://127.0.0.1:1"] {
        let remote = remote::Model { proxy_url: Some(proxy.to_owned()), ..remote() };
        assert!(Downloader::new(&bench.pulp, &remote, "").is_err(), "{proxy} would not be asked");
    }
    bench.stop().await;
}

#[tokio::test]
async fn certificates_that_openssl_takes_are_taken() {
    let bench = Bench::start().await;
    let pem = |name: &str| {
        let path = format!("{}/tests/support/certificates/{name}.pem", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    for (shown, trusted, host, usable) in [
        ("authority_by_common_name", "authority_by_common_name", "localhost", true),
        ("authority_by_alternative_name", "authority_by_alternative_name", "localhost", true),
        ("authority_by_alternative_name", "authority_by_alternative_name", "127.0.0.1", true),
        ("version_1", "version_1", "localhost", true),
        ("leaf", "leaf", "localhost", true),
        ("leaf", "authority", "localhost", true),
        ("leaf_by_common_name", "authority", "localhost", true),
        ("leaf", "authority", "127.0.0.1", false),
        ("leaf", "version_1", "localhost", false),
        ("version_1", "authority", "localhost", false),
        ("authority_by_common_name", "authority", "localhost", false),
        ("authority_of_another_name", "authority_of_another_name", "localhost", false),
    ] {
        let upstream = Raw::start_with(Some(acceptor(&pem(shown), &pem("key"))), |_| file()).await;
        let remote = remote::Model { ca_cert: Some(pem(trusted)), max_retries: Some(0), ..remote() };
        let url = format!("https://{host}:{}/a", upstream.port);
        let done = downloader(&bench, &remote).fetch(&url, &expected()).await;
        let error = done.as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert_eq!(done.is_ok(), usable, "{shown} with {trusted} by {host}: {error}");
    }
    bench.stop().await;
}

fn acceptor(certificate: &str, key: &str) -> TlsAcceptor {
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let resolver = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    TlsAcceptor::from(Arc::new(config))
}
