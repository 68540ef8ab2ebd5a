//! Sync of file repositories: policies, additive and mirror, and upstreams that misbehave.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use integration_tests::fixtures::{REMOTES, created, noise};
use integration_tests::{Fault, Pulp, Upstream, line, send, sha256};
use serde_json::{Value, json};

#[tokio::test]
async fn a_repository_follows_its_upstream() {
    let (pulp, upstream) = (Pulp::start().await, Upstream::with_files(50).await);
    let remote = pulp.remote("r", &upstream, "immediate").await;
    let repository = pulp.repository("r").await;

    let task = pulp.completed(pulp.sync(&repository, &remote, false).await).await;
    assert_eq!(task["name"], "pulp_file.app.tasks.synchronizing.synchronize");
    let version = pulp.latest(&repository).await;
    assert_eq!(created(&task, 0), version["pulp_href"].as_str().unwrap());
    assert_eq!(version["number"], 1);
    assert_eq!(version["content_summary"]["present"]["file.file"]["count"], 50);
    assert_eq!(pulp.paths(&version).await, upstream.paths());
    assert_eq!(pulp.stored("artifact").len(), 50);
    let codes: Vec<&str> = reports(&task).iter().map(|report| report["code"].as_str().unwrap()).collect();
    for code in [
        "sync.downloading.metadata",
        "sync.parsing.metadata",
        "sync.downloading.artifacts",
        "associating.content",
    ] {
        assert!(codes.contains(&code), "{codes:?}");
    }
    for report in reports(&task) {
        assert_eq!(report["state"], "completed", "{report:#}");
    }

    let again = pulp.completed(pulp.sync(&repository, &remote, false).await).await;
    assert_eq!(again["created_resources"], json!([]), "nothing changed");

    // One file more, one less, one with other bytes under the same path.
    upstream.put("new.txt", "new");
    upstream.remove("folder0/file0.txt");
    upstream.put("folder1/file1.txt", "changed");
    upstream.publish();
    pulp.completed(pulp.sync(&repository, &remote, false).await).await;
    let version = pulp.latest(&repository).await;
    assert_eq!(summary(&version), (2, 1, 51), "additive: what upstream dropped is kept");

    pulp.completed(pulp.sync(&repository, &remote, true).await).await;
    let version = pulp.latest(&repository).await;
    assert_eq!(summary(&version), (0, 1, 50), "a mirror is what upstream is");
    assert_eq!(pulp.paths(&version).await, upstream.paths());
}

#[tokio::test]
async fn policies_say_when_files_are_fetched() {
    let (pulp, upstream) = (Pulp::start().await, Upstream::with_files(20).await);
    for policy in ["on_demand", "streamed"] {
        let remote = pulp.remote(policy, &upstream, policy).await;
        let repository = pulp.repository(policy).await;
        pulp.completed(pulp.sync(&repository, &remote, false).await).await;
        assert_eq!(pulp.latest(&repository).await["content_summary"]["present"]["file.file"]["count"], 20);
        assert!(pulp.stored("artifact").is_empty());
    }
    let paths = upstream.paths();
    assert!(paths.iter().all(|path| upstream.requests(path) == 0));

    // Fetched at the next sync once the policy says so.
    let list = pulp.client.get(&format!("{REMOTES}?name=on_demand")).await.expect(200);
    let remote = list["results"][0]["pulp_href"].as_str().unwrap().to_owned();
    pulp.completed(pulp.client.patch(&remote, &json!({"policy": "immediate"})).await.expect(202)).await;
    let repository = pulp.repository("immediate").await;
    pulp.completed(pulp.sync(&repository, &remote, false).await).await;
    assert_eq!(pulp.stored("artifact").len(), 20);
}

#[tokio::test]
async fn failures_that_pass_are_tried_again() {
    let (pulp, upstream) = (Pulp::start().await, Upstream::with_files(5).await);
    let url = upstream.url_of("PULP_MANIFEST");
    let remote = pulp.client.post(REMOTES, &json!({"name": "r", "url": url})).await.expect(201);
    let paths = upstream.paths();
    upstream.misbehave("PULP_MANIFEST", Fault::StatusTimes(503, 1));
    upstream.misbehave(&paths[0], Fault::StatusTimes(500, 2));
    upstream.misbehave(&paths[1], Fault::StatusTimes(429, 1));
    let repository = pulp.repository("r").await;
    pulp.completed(pulp.sync(&repository, remote["pulp_href"].as_str().unwrap(), false).await).await;
    assert_eq!(upstream.requests(&paths[0]), 3);
    assert_eq!(pulp.stored("artifact").len(), 5);
}

/// Bad input of all kinds: the task says what is wrong with which URL, line or file, and nothing half is
/// left.
#[tokio::test]
async fn a_bad_upstream_fails_the_task_and_nothing_else() {
    let (pulp, upstream) = (Pulp::start().await, Upstream::with_files(10).await);
    upstream.put("long", noise(2_000_000, 1));
    upstream.publish();
    let manifest = upstream.bytes("PULP_MANIFEST");
    let lines = String::from_utf8(manifest.to_vec()).unwrap();
    let remote = pulp.remote("r", &upstream, "immediate").await;
    let repository = pulp.repository("r").await;
    let faulty = async |what: &str, expected: &[&str]| {
        let description = pulp.failed(pulp.sync(&repository, &remote, false).await).await;
        for part in expected {
            assert!(description.contains(part), "{what}: {part:?} is not in {description:?}");
        }
        assert_eq!(pulp.latest(&repository).await["number"], 0, "{what}");
        let versions = pulp.client.get(&format!("{repository}versions/")).await.expect(200);
        assert_eq!(versions["count"], 1, "{what}");
        assert!(pulp.stored("staging").is_empty(), "{what}");
        for file in pulp.stored("artifact") {
            let name: Vec<_> = file.components().rev().take(2).collect();
            let name = format!("{}{}", name[1].as_os_str().display(), name[0].as_os_str().display());
            assert_eq!(sha256(&std::fs::read(&file).unwrap()), name, "{what}: half a file is left");
        }
    };

    for (what, manifest, expected) in [
        ("malformed", format!("{lines}only a name\n"), "line 12"),
        ("no digest", format!("# comment\n\na.txt,xyz,3\n{lines}"), "line 3"),
        ("no size", format!("a.txt,{},many\n", sha256(b"a")), "line 1"),
        ("absolute", line("/etc/passwd", b"a"), "line 1"),
        ("upwards", line("../a", b"a"), "line 1"),
        ("duplicate", format!("{lines}{}", line("long", b"other")), "long"),
        ("nested", format!("{lines}{}", line("long/file", b"other")), "long"),
    ] {
        upstream.put("PULP_MANIFEST", manifest);
        faulty(what, &[expected]).await;
    }
    upstream.put("PULP_MANIFEST", manifest);

    for (path, fault, expected) in [
        ("PULP_MANIFEST", Fault::Status(404), "404"),
        ("PULP_MANIFEST", Fault::Truncated(100), ""),
        ("long", Fault::Status(404), "404"),
        ("long", Fault::Status(500), "500"),
        ("long", Fault::WrongBytes, &sha256(&upstream.bytes("long"))),
        ("long", Fault::Truncated(1_000_000), ""),
    ] {
        let what = format!("{path}: {fault:?}");
        upstream.misbehave(path, fault);
        faulty(&what, &[&upstream.url_of(path), expected]).await;
        upstream.misbehave(path, None);
    }

    pulp.completed(pulp.client.patch(&remote, &json!({"sock_read_timeout": 0.5})).await.expect(202)).await;
    upstream.misbehave("long", Fault::Stalled(1_000_000));
    faulty("stalled", &[&upstream.url_of("long")]).await;
    upstream.misbehave("long", None);

    let away = json!({"url": "http://127.0.0.1:9/PULP_MANIFEST"});
    pulp.completed(pulp.client.patch(&remote, &away).await.expect(202)).await;
    faulty("unreachable", &["http://127.0.0.1:9/PULP_MANIFEST"]).await;

    let back = json!({"url": upstream.url_of("PULP_MANIFEST")});
    pulp.completed(pulp.client.patch(&remote, &back).await.expect(202)).await;
    pulp.completed(pulp.sync(&repository, &remote, false).await).await;
    assert_eq!(pulp.paths(&pulp.latest(&repository).await).await, upstream.paths());
}

fn reports(task: &Value) -> &Vec<Value> {
    task["progress_reports"].as_array().unwrap()
}

/// How many units a version has added, removed, and holds.
fn summary(version: &Value) -> (u64, u64, u64) {
    let count = |kind: &str| version["content_summary"][kind]["file.file"]["count"].as_u64().unwrap_or(0);
    (count("added"), count("removed"), count("present"))
}

#[tokio::test]
async fn a_request_can_be_followed_to_the_upstream() {
    let (mut pulp, upstream) = (Pulp::builder().workers(1).start().await, Upstream::with_files(1).await);
    let remote = pulp.remote("r", &upstream, "immediate").await;
    let repository = pulp.repository("r").await;
    let id = "0123456789abcdef0123456789abcdef";
    let request = pulp.client.request(http::Method::POST, &format!("{repository}sync/"));
    let request = request.header("correlation-id", id).json(&json!({"remote": remote}));
    let task = pulp.completed(send(request).await.expect(202)).await;
    assert_eq!(task["logging_cid"], id);
    for path in ["PULP_MANIFEST".to_owned(), upstream.paths()[0].clone()] {
        assert_eq!(upstream.headers(&path)["correlation-id"], id);
    }
    assert!(pulp.process("api").log().contains(id));
    assert!(pulp.process("worker-1").log().contains(id));
}
