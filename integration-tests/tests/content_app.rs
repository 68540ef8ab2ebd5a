//! The content app as clients of files see it.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use http::Method;
use integration_tests::fixtures::{DISTRIBUTIONS, noise};
use integration_tests::{Fault, Pulp, Upstream, send, sha256, try_send, until};
use serde_json::json;

/// Longer than what is fetched before an answer begins.
const LONG: usize = 3_000_000;

#[tokio::test]
async fn stored_files_are_served_with_what_http_offers() {
    let (pulp, upstream) = (Pulp::start().await, Upstream::start().await);
    let bytes = noise(LONG, 1);
    upstream.put("folder/a file.txt", bytes.clone());
    upstream.put("empty", "");
    upstream.publish();
    let base = pulp.mirror("files", &upstream, "immediate").await;
    let url = format!("{base}folder/a%20file.txt");

    let whole = pulp.content.get(&url).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.bytes, bytes);
    assert_eq!(whole.header("content-length"), LONG.to_string());
    assert_eq!(whole.header("x-pulp-artifact-size"), LONG.to_string());
    assert_eq!(whole.header("content-type"), "text/plain");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(whole.header("etag"), format!("\"{}\"", sha256(&bytes)));
    let date = whole.header("last-modified").to_owned();
    assert!(date.ends_with(" GMT"), "{date}");

    let head = pulp.content.head(&url).await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    for name in ["content-length", "content-type", "etag", "last-modified", "accept-ranges"] {
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }

    for (range, from, to) in
        [("bytes=0-0", 0, 1), ("bytes=1000000-1999999", 1_000_000, 2_000_000), ("bytes=-5", LONG - 5, LONG)]
    {
        let part = pulp.content.get_with(&url, "range", range).await;
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {from}-{}/{LONG}", to - 1));
        assert_eq!(part.bytes, bytes[from..to]);
    }
    let beyond = pulp.content.get_with(&url, "range", "bytes=3000000-").await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */3000000"));
    let several = pulp.content.get_with(&url, "range", "bytes=0-1,5-6").await;
    assert_eq!((several.status, several.bytes.len()), (200, LONG));

    for (name, value) in [("if-none-match", whole.header("etag")), ("if-modified-since", date.as_str())] {
        let unchanged = pulp.content.get_with(&url, name, value).await;
        assert_eq!((unchanged.status, unchanged.bytes.len()), (304, 0), "{name}");
        assert_eq!(unchanged.header("etag"), whole.header("etag"));
    }
    let changed =
        pulp.content.request(Method::GET, &url).header("range", "bytes=0-9").header("if-range", "\"x\"");
    assert_eq!(send(changed).await.bytes.len(), LONG);

    let empty = pulp.content.get(&format!("{base}empty")).await;
    assert_eq!((empty.status, empty.header("content-length")), (200, "0"));
    assert_eq!(empty.header("content-type"), "application/octet-stream");
    let manifest = pulp.content.get(&format!("{base}PULP_MANIFEST")).await;
    assert!(manifest.text().contains(&sha256(&bytes)));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (pulp, upstream) = (Pulp::start().await, Upstream::with_files(3).await);
    let base = pulp.mirror("files", &upstream, "immediate").await;
    for path in
        ["nothing", "folder0/nothing", "..%2f..%2fetc/passwd", "../secret", "a%00b", "%ff", "folder0//"]
    {
        let answer = send(pulp.content.anonymous(Method::GET, &format!("{base}{path}"))).await;
        assert_eq!((answer.status, answer.text()), (404, "404: Not Found".to_owned()), "{path}");
        assert!(answer.header("content-type").starts_with("text/plain"));
    }
    pulp.content.get("/pulp/content/other/file").await.expect(404);
    pulp.content.get("/somewhere/else").await.expect(404);
    let post = pulp.content.post(&base, &json!({})).await;
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));

    let id = "0123456789abcdef0123456789abcdef";
    assert_eq!(pulp.content.get_with(&base, "correlation-id", id).await.header("correlation-id"), id);
    assert_eq!(pulp.content.get(&base).await.header("correlation-id").len(), 32);
    assert_eq!(pulp.content.head("/pulp/content/").await.status, 200);
}

#[tokio::test]
async fn directories_are_listed() {
    let (pulp, upstream) = (Pulp::start().await, Upstream::start().await);
    for path in ["b.txt", "a/one.txt", "a/deep/two.txt", "a-z.txt", "<i>&\"'.txt", "with index/index.html"] {
        upstream.put(path, format!("content of {path}"));
    }
    upstream.publish();
    let base = pulp.mirror("upper/lower", &upstream, "on_demand").await;
    let hidden = json!({"name": "hidden", "base_path": "upper/hidden", "hidden": true});
    pulp.completed(pulp.client.post(DISTRIBUTIONS, &hidden).await.expect(202)).await;

    let root = pulp.content.get("/pulp/content/").await;
    assert!(root.header("content-type").starts_with("text/html"), "{root:?}");
    assert_eq!(links(&root.text()), ["../", "./upper/"]);
    assert_eq!(links(&pulp.content.get("/pulp/content/upper/").await.text()), ["../", "./lower/"]);
    assert_eq!(
        links(&pulp.content.get(&base).await.text()),
        [
            "../",
            "./%3Ci%3E%26%22%27.txt",
            "./PULP_MANIFEST",
            "./a-z.txt",
            "./a/",
            "./b.txt",
            "./with%20index/"
        ]
    );
    let directory = pulp.content.get(&format!("{base}a/")).await.text();
    assert_eq!(links(&directory), ["../", "./deep/", "./one.txt"]);
    assert!(directory.contains("Index of /pulp/content/upper/lower/a/"), "{directory}");
    assert!(directory.contains(&format!(" {}\n", "content of a/one.txt".len())), "{directory}");
    assert!(!pulp.content.get(&base).await.text().contains("<i>"));

    for (path, target) in [
        ("/pulp/content", "/pulp/content/".to_owned()),
        ("/pulp/content/upper", "/pulp/content/upper/".to_owned()),
        (base.trim_end_matches('/'), base.clone()),
        (&format!("{base}with%20index"), format!("{base}with%20index/")),
    ] {
        let moved = pulp.content.get(path).await;
        assert_eq!((moved.status, moved.header("location")), (301, target.as_str()), "{path}");
    }
    let index = pulp.content.get(&format!("{base}with%20index/")).await;
    assert_eq!(index.text(), "content of with index/index.html");
    assert_eq!(index.header("content-type"), "text/html");
    pulp.content.get(&format!("{base}nothing/")).await.expect(404);
}

fn links(page: &str) -> Vec<&str> {
    page.split("<a href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn on_demand_files_are_saved_while_they_are_served() {
    let (pulp, upstream) = (Pulp::start().await, Upstream::start().await);
    for number in 0..4 {
        upstream.put(&format!("file{number}"), noise(LONG, number));
    }
    upstream.put("small", "few bytes");
    upstream.publish();
    let base = pulp.mirror("files", &upstream, "on_demand").await;
    assert_eq!(pulp.stored("artifact").len(), 1, "only the manifest is stored");

    let head = pulp.content.head(&format!("{base}file0")).await;
    assert_eq!(head.header("content-length"), LONG.to_string());
    assert_eq!(upstream.requests("file0"), 0, "HEAD needs no bytes");

    let id = "0123456789abcdef0123456789abcdef";
    let cold = pulp.content.get_with(&format!("{base}file0"), "correlation-id", id).await;
    assert_eq!(cold.bytes, upstream.bytes("file0"));
    assert_eq!(cold.header("etag"), head.header("etag"));
    assert_eq!(upstream.headers("file0")["correlation-id"], id);
    let warm = pulp.content.get(&format!("{base}file0")).await;
    assert_eq!(warm.bytes, upstream.bytes("file0"));
    assert!(!warm.header("last-modified").is_empty());
    assert_eq!(upstream.requests("file0"), 1, "the second answer is local");

    let part = pulp.content.get_with(&format!("{base}file1"), "range", "bytes=1000000-1000009").await;
    assert_eq!((part.status, part.header("content-range")), (206, "bytes 1000000-1000009/3000000"));
    assert_eq!(part.bytes, upstream.bytes("file1")[1_000_000..1_000_010]);
    pulp.content.get(&format!("{base}file1")).await;
    assert_eq!(upstream.requests("file1"), 1, "a part saves the whole file");

    let url = format!("{base}file2");
    let (one, two) = tokio::join!(pulp.content.get(&url), pulp.content.get(&url));
    assert_eq!(one.bytes, upstream.bytes("file2"));
    assert_eq!(two.bytes, one.bytes);

    assert_eq!(pulp.content.get(&format!("{base}small")).await.text(), "few bytes");
    assert_eq!(pulp.stored("artifact").len(), 5);
    assert_eq!(pulp.stored("staging"), Vec::<std::path::PathBuf>::new());

    // A client that leaves takes nothing with it and leaves nothing behind.
    upstream.misbehave("file3", Fault::Stalled(500_000));
    let mut response = pulp.content.request(Method::GET, &format!("{base}file3")).send().await.unwrap();
    response.chunk().await.unwrap().unwrap();
    drop(response);
    upstream.misbehave("file3", None);
    assert_eq!(pulp.content.get(&format!("{base}file3")).await.bytes, upstream.bytes("file3"));
}

#[tokio::test]
async fn streamed_files_are_not_saved() {
    let (pulp, upstream) = (Pulp::start().await, Upstream::start().await);
    upstream.put("long", noise(LONG, 1));
    upstream.put("small", "few bytes");
    upstream.publish();
    let base = pulp.mirror("files", &upstream, "streamed").await;
    for times in 1..=2 {
        assert_eq!(pulp.content.get(&format!("{base}long")).await.bytes, upstream.bytes("long"));
        assert_eq!(pulp.content.get(&format!("{base}small")).await.text(), "few bytes");
        assert_eq!((upstream.requests("long"), upstream.requests("small")), (times, times));
    }
    assert_eq!(pulp.stored("artifact").len(), 1, "only the manifest is stored");
}

#[tokio::test]
async fn wrong_bytes_never_make_a_complete_answer() {
    let pulp = Pulp::builder().set("PULP_REMOTE_CONTENT_FETCH_FAILURE_COOLDOWN", 2).start().await;
    let upstream = Upstream::start().await;
    for path in ["wrong", "truncated"] {
        upstream.put(path, noise(LONG, path.len() as u64));
    }
    upstream.put("small", "few bytes");
    upstream.publish();
    let base = pulp.mirror("files", &upstream, "on_demand").await;
    upstream.misbehave("wrong", Fault::WrongBytes);
    upstream.misbehave("small", Fault::WrongBytes);
    upstream.misbehave("truncated", Fault::Truncated(LONG / 2));

    for path in ["wrong", "truncated"] {
        let request = pulp.content.request(Method::GET, &format!("{base}{path}"));
        assert!(try_send(request).await.is_err(), "{path} must break off before its end");
    }
    pulp.content.get(&format!("{base}small")).await.expect(404);
    until("unfinished files are gone", || async { pulp.stored("staging").is_empty().then_some(()) }).await;
    assert_eq!(pulp.stored("artifact").len(), 1, "only the manifest is stored");

    // Left alone for a while, then tried again.
    let asked = upstream.requests("wrong");
    pulp.content.get(&format!("{base}wrong")).await.expect(404);
    assert_eq!(upstream.requests("wrong"), asked);
    for path in ["wrong", "truncated", "small"] {
        upstream.misbehave(path, None);
        let url = format!("{base}{path}");
        let answer = until("the file can be had again", || async {
            Some(pulp.content.get(&url).await).filter(|answer| answer.status == 200)
        })
        .await;
        assert_eq!(answer.bytes, upstream.bytes(path));
    }
}

#[tokio::test]
async fn another_remote_is_asked_when_one_fails() {
    let (pulp, good, bad) =
        (Pulp::start().await, Upstream::with_files(3).await, Upstream::with_files(3).await);
    let base = pulp.mirror("first", &bad, "on_demand").await;
    pulp.mirror("second", &good, "on_demand").await;
    let paths = good.paths();
    bad.misbehave(&paths[0], Fault::WrongBytes);
    bad.misbehave(&paths[1], Fault::Status(500));
    bad.misbehave(&paths[2], Fault::Truncated(3));
    for path in paths {
        assert_eq!(pulp.content.get(&format!("{base}{path}")).await.bytes, good.bytes(&path), "{path}");
        assert_eq!((bad.requests(&path), good.requests(&path)), (1, 1), "{path}");
    }
}
