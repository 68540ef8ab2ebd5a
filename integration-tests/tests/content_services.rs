//! What plugins serve themselves, and the guard that stands before it, as clients see it.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Method;
use integration_tests::fixtures::noise;
use integration_tests::tasks::{BOOKS, SCHEMA};
use integration_tests::{Fault, Pulp, Upstream, send, sha256, try_send};
use serde_json::{Value, json};

/// An installation whose content app knows the test plugin, and a distribution of its type.
async fn start(upstream: &Upstream, guard: Value) -> (Pulp, String) {
    let pulp = Pulp::builder().under_test().start().await;
    let base = pulp.mirror("books", upstream, "on_demand").await;
    let mut database = pulp.database().await;
    sqlx::raw_sql(SCHEMA).execute(&mut database).await.unwrap();
    let sql =
        "UPDATE distribution SET pulp_type = $1, remote_id = (SELECT pulp_id FROM remote), details = $2";
    let details = json!({ "content_guard": guard });
    sqlx::query(sql).bind(BOOKS).bind(details).execute(&mut database).await.unwrap();
    (pulp, base)
}

async fn upstream() -> Upstream {
    let upstream = Upstream::start().await;
    upstream.put("folder/file", "published bytes");
    upstream.publish();
    upstream
}

async fn books(pulp: &Pulp) -> i64 {
    let sql = "SELECT count(*) FROM test_book JOIN content_artifact USING (content_id)
               WHERE artifact_id IS NOT NULL";
    sqlx::query_scalar(sql).fetch_one(&mut pulp.database().await).await.unwrap()
}

#[tokio::test]
async fn a_plugin_has_a_root_of_its_own_and_takes_streamed_bodies() {
    let upstream = upstream().await;
    let (pulp, _) = start(&upstream, Value::Null).await;
    let bytes = noise(9_000_000, 1);
    let pieces: Vec<Bytes> = bytes.chunks(100_000).map(Bytes::copy_from_slice).collect();
    let body = reqwest::Body::wrap_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>)));
    let put = pulp.content.request(Method::PUT, "/test/a%20b/c?digest=1").body(body);
    assert_eq!(
        send(put).await.expect(200),
        json!({"path": "a b/c", "query": "digest=1", "size": 9_000_000, "sha256": sha256(&bytes)})
    );
    assert_eq!(pulp.stored("staging"), Vec::<std::path::PathBuf>::new());

    let post = send(pulp.content.request(Method::POST, "/test/a")).await;
    assert_eq!((post.status, post.header("allow")), (405, "GET, PUT"));
    pulp.content.get("/test/nothing/here").await.expect(404);
    pulp.content.get("/tes").await.expect(404);
}

#[tokio::test]
async fn a_client_waits_while_the_plugin_does_not_read() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 200;
    let upstream = upstream().await;
    let (pulp, _) = start(&upstream, Value::Null).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let pieces = stream::iter(0..PIECES).map(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok::<_, std::io::Error>(Bytes::from(vec![0; PIECE]))
    });
    let put = pulp.content.request(Method::PUT, "/test/refused").body(reqwest::Body::wrap_stream(pieces));
    // The server may close the connection before the client has read the response.
    if let Ok(answer) = try_send(put).await {
        assert_eq!(answer.status, 413);
    }
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent < PIECES / 2, "{sent} MiB went out, though one piece was read");
}

#[tokio::test]
async fn a_plugin_serves_live_paths_below_its_distributions() {
    let upstream = upstream().await;
    let (pulp, base) = start(&upstream, Value::Null).await;
    let live = pulp.content.get(&format!("{base}live")).await;
    assert_eq!((live.status, live.text().as_str()), (200, "<p>books</p>"));
    assert_eq!(live.header("content-type"), "text/html; charset=utf-8");
    let published = pulp.content.get(&format!("{base}folder/file")).await;
    assert_eq!(published.text(), "published bytes", "what the plugin leaves is served the usual way");
    assert!(pulp.content.get(&base).await.text().contains("folder/"));

    let post = pulp.content.request(Method::POST, &format!("{base}folder/file")).body("12345");
    assert_eq!(send(post).await.expect(200), json!({"size": 5}));
    let put = send(pulp.content.request(Method::PUT, &format!("{base}live"))).await;
    assert_eq!((put.status, put.header("allow")), (405, "GET, HEAD"));
    let delete = send(pulp.content.request(Method::DELETE, &base)).await;
    assert_eq!(delete.status, 405);
    let post = send(pulp.content.request(Method::POST, "/pulp/content/other/")).await;
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn unknown_files_are_pulled_through_and_become_content() {
    let upstream = upstream().await;
    let (pulp, base) = start(&upstream, Value::Null).await;
    let mut long = b"long".to_vec();
    long.extend(noise(3_000_000, 1));
    upstream.put("long", long.clone());
    upstream.put("short", "short story");
    upstream.put("false", "is not its title");

    let head = pulp.content.head(&format!("{base}books/long")).await;
    assert_eq!((head.status, head.header("content-length")), (200, "3000004"));
    assert_eq!(books(&pulp).await, 0, "HEAD saves nothing");
    for title in ["long", "short"] {
        let asked = upstream.requests(title);
        let cold = pulp.content.get(&format!("{base}books/{title}")).await;
        assert_eq!((cold.status, cold.header("content-type")), (200, "text/plain"));
        assert_eq!(cold.bytes, upstream.bytes(title));
        let part = pulp.content.get_with(&format!("{base}books/{title}"), "range", "bytes=0-3").await;
        assert_eq!((part.status, part.bytes.as_slice()), (206, &upstream.bytes(title)[..4]));
        assert_eq!(part.header("etag"), format!("\"{}\"", sha256(&cold.bytes)));
        assert_eq!(upstream.requests(title), asked + 1, "the second time it is content");
        let rooted = pulp.content.get(&format!("/test/books/{title}")).await;
        assert_eq!(rooted.bytes, cold.bytes, "a root of its own serves the same unit");
    }
    assert_eq!(books(&pulp).await, 2);

    assert_eq!(pulp.content.get(&format!("{base}books/false")).await.text(), "is not its title");
    pulp.content.get(&format!("{base}books/nothing")).await.expect(404);
    upstream.misbehave("broken", Fault::Status(500));
    assert_eq!(pulp.content.get(&format!("{base}books/broken")).await.status, 503);
    upstream.put("cut", [b"cut".to_vec(), noise(3_000_000, 2)].concat());
    upstream.misbehave("cut", Fault::Truncated(1_000_000));
    let cut = pulp.content.request(Method::GET, &format!("{base}books/cut"));
    assert!(try_send(cut).await.is_err(), "a file that is not whole must break off");
    assert_eq!(books(&pulp).await, 2, "what is refused, absent or broken does not become content");
    assert_eq!(pulp.stored("staging"), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_guard_stands_before_every_byte_of_a_distribution() {
    let upstream = upstream().await;
    upstream.put("book", "book of books");
    let (pulp, base) = start(&upstream, json!({"pulp_type": "test.key", "key": "open"})).await;
    let places = ["", "folder", "folder/", "folder/file", "live", "books/book", "nothing"];
    let mut urls: Vec<String> = places.iter().map(|place| format!("{base}{place}")).collect();
    urls.extend(["/test/books/book".to_owned(), base.trim_end_matches('/').to_owned()]);
    for url in &urls {
        let refused = pulp.content.get(url).await;
        assert_eq!((refused.status, refused.text().as_str()), (403, "403: Forbidden"), "{url}");
        assert_eq!(pulp.content.get_with(url, "x-key", "shut").await.status, 403, "{url}");
        assert_eq!(pulp.content.head(url).await.status, if url.starts_with("/test/") { 405 } else { 403 });
    }
    assert_eq!(upstream.requests("book"), 0, "a remote is not asked for a client that is refused");
    for place in ["", "folder/file", "live", "books/book"] {
        assert_eq!(pulp.content.get_with(&format!("{base}{place}"), "x-key", "open").await.status, 200);
    }

    let unknown = json!({"content_guard": {"pulp_type": "other.guard"}});
    let sql = "UPDATE distribution SET details = $1";
    sqlx::query(sql).bind(unknown).execute(&mut pulp.database().await).await.unwrap();
    for url in &urls {
        assert_eq!(pulp.content.get_with(url, "x-key", "open").await.status, 403, "{url}");
    }
}
