//! The example of a plugin, `plugins/example`: what its executable does for users, from the sync of an
//! upstream in its own format to live paths.

use integration_tests::fixtures::{created, href};
use integration_tests::{Pulp, Upstream, executable, sha256};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

const NOTES: &str = "/pulp/api/v3/content/note/notes/";
const REMOTES: &str = "/pulp/api/v3/remotes/note/note/";
const REPOSITORIES: &str = "/pulp/api/v3/repositories/note/note/";
const PUBLICATIONS: &str = "/pulp/api/v3/publications/note/note/";
const DISTRIBUTIONS: &str = "/pulp/api/v3/distributions/note/note/";

async fn start() -> Pulp {
    Pulp::builder().executable(executable::example()).workers(1).start().await
}

/// Puts a note upstream; returns its line of the index.
fn note(upstream: &Upstream, name: &str, is_signed: bool) -> String {
    let (text, signature) = (format!("text of {name}"), format!("signature of {name}"));
    let digest = is_signed.then(|| sha256(signature.as_bytes()));
    let line = json!({"name": name, "sha256": sha256(text.as_bytes()), "signature": digest});
    upstream.put(&format!("{name}.txt"), text);
    if is_signed {
        upstream.put(&format!("{name}.txt.sig"), signature);
    }
    format!("{line}\n")
}

async fn remote(pulp: &Pulp, name: &str, url: &str) -> String {
    href(&pulp.client.post(REMOTES, &json!({"name": name, "url": url, "max_retries": 0})).await.expect(201))
}

async fn repository(pulp: &Pulp, name: &str, remote: &str) -> String {
    href(&pulp.client.post(REPOSITORIES, &json!({"name": name, "remote": remote})).await.expect(201))
}

/// Syncs with the repository's own remote; returns the body of the 202.
async fn sync(pulp: &Pulp, repository: &str) -> Value {
    pulp.client.post(&format!("{repository}sync/"), &json!({})).await.expect(202)
}

async fn publish(pulp: &Pulp, repository: &str) {
    pulp.completed(pulp.client.post(PUBLICATIONS, &json!({"repository": repository})).await.expect(202))
        .await;
}

async fn distribute(pulp: &Pulp, name: &str, repository: &str) -> String {
    let body = json!({"name": name, "base_path": name, "repository": repository});
    pulp.completed(pulp.client.post(DISTRIBUTIONS, &body).await.expect(202)).await;
    format!("/pulp/content/{name}/")
}

/// Uploads a note into a repository.
fn upload(name: &str, repository: &str) -> Form {
    let file = |text: &'static str| Part::bytes(text.as_bytes()).file_name("file");
    let form = Form::new().text("name", name.to_owned()).text("repository", repository.to_owned());
    form.part("file", file("a new text")).part("signature", file("a new signature"))
}

#[tokio::test]
async fn notes_are_mirrored_published_and_found() {
    let (pulp, upstream) = (start().await, Upstream::start().await);
    let index = note(&upstream, "apple", true) + &note(&upstream, "pine-apple", true);
    upstream.put("notes.jsonl", index.clone());
    let remote = remote(&pulp, "r", &upstream.url_of("notes.jsonl")).await;
    let repository = repository(&pulp, "r", &remote).await;
    let task = pulp.completed(sync(&pulp, &repository).await).await;
    assert_eq!(task["name"], "pulp_note.app.tasks.synchronize");
    let again = pulp.completed(sync(&pulp, &repository).await).await;
    assert_eq!(again["progress_reports"][0]["code"], "sync.was_skipped");

    let version = created(&task, 0);
    let found =
        pulp.client.get(&format!("{NOTES}?repository_version={version}&ordering=-name")).await.expect(200);
    assert_eq!(found["count"], 2);
    let pine = &found["results"][0];
    assert_eq!(
        (&pine["name"], &pine["sha256"]),
        (&json!("pine-apple"), &json!(sha256(b"text of pine-apple")))
    );
    for (path, bytes) in
        [("pine-apple.txt", "text of pine-apple"), ("pine-apple.txt.sig", "signature of pine-apple")]
    {
        let artifact = pulp.client.get(pine["artifacts"][path].as_str().unwrap()).await.expect(200);
        assert_eq!(artifact["sha256"], sha256(bytes.as_bytes()), "{path}");
    }
    assert_eq!(pine["artifacts"].as_object().unwrap().len(), 2);
    for (filter, count) in
        [("name=apple", 1), ("name__icontains=APPLE", 2), ("name__in=apple,pear", 1), ("name=x", 0)]
    {
        assert_eq!(
            pulp.client.get(&format!("{NOTES}?{filter}")).await.expect(200)["count"],
            count,
            "{filter}"
        );
    }
    assert_eq!(pulp.client.get(&href(pine)).await.expect(200), *pine);

    publish(&pulp, &repository).await;
    let base = distribute(&pulp, "notes", &repository).await;
    let get = async |path: &str| pulp.content.get(&format!("{base}{path}")).await;
    assert_eq!(get("notes.jsonl").await.text(), index, "generated, in the format of upstreams");
    assert_eq!(get("apple.txt").await.text(), "text of apple");
    assert_eq!(get("apple.txt.sig").await.text(), "signature of apple");
    let names = async |query: &str| -> Vec<String> {
        let hits = get(&format!("search{query}")).await.expect(200);
        hits.as_array().unwrap().iter().map(|hit| hit["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("?q=e-a").await, ["pine-apple"]);
    assert_eq!(names("").await, ["apple", "pine-apple"]);
    assert_eq!(names("?q=%25").await, Vec::<String>::new(), "a word, not a pattern");
    assert_eq!(get("searches").await.status, 404);
}

#[tokio::test]
async fn an_upload_is_a_note_that_others_mirror() {
    let (pulp, upstream) = (start().await, Upstream::start().await);
    upstream.put("notes.jsonl", note(&upstream, "old", true));
    let origin = remote(&pulp, "origin", &upstream.url_of("notes.jsonl")).await;
    let first = repository(&pulp, "first", &origin).await;
    pulp.completed(sync(&pulp, &first).await).await;
    for name in ["new", "old"] {
        let answer = pulp.client.post_form(NOTES, upload(name, &first)).await.expect(202);
        let task = pulp.completed(answer).await;
        assert_eq!(pulp.client.get(&created(&task, 1)).await.expect(200)["name"], name);
    }
    publish(&pulp, &first).await;
    let base = distribute(&pulp, "first", &first).await;

    let url = format!("{}{base}notes.jsonl", pulp.content.base);
    let mirror = remote(&pulp, "mirror", &url).await;
    let second = repository(&pulp, "second", &mirror).await;
    pulp.completed(sync(&pulp, &second).await).await;
    publish(&pulp, &second).await;
    let copy = distribute(&pulp, "second", &second).await;
    for path in ["new.txt", "old.txt"] {
        assert_eq!(pulp.content.get(&format!("{copy}{path}")).await.text(), "a new text", "{path}");
        assert_eq!(pulp.content.get(&format!("{copy}{path}.sig")).await.text(), "a new signature");
    }
    let hits = pulp.content.get(&format!("{copy}search?q=")).await.expect(200);
    assert_eq!(hits.as_array().unwrap().len(), 2, "a note takes the place of the one with its name");
}

#[tokio::test]
async fn what_is_wrong_with_a_note_or_an_option_is_said() {
    let (pulp, upstream) = (start().await, Upstream::start().await);
    upstream.put("notes.jsonl", note(&upstream, "signed", true) + &note(&upstream, "unsigned", false));
    let wrong = json!({"name": "w", "url": upstream.url, "require_signatures": "perhaps"});
    let refused = pulp.client.post(REMOTES, &wrong).await.expect(400);
    assert_eq!(refused, json!({"require_signatures": ["Must be a valid boolean."]}));

    let remote = remote(&pulp, "r", &upstream.url_of("notes.jsonl")).await;
    assert_eq!(pulp.client.get(&remote).await.expect(200)["require_signatures"], true);
    let repository = repository(&pulp, "r", &remote).await;
    let error = pulp.failed(sync(&pulp, &repository).await).await;
    assert!(error.contains("the remote requires signatures, and the note \"unsigned\" has none"), "{error}");
    let change = json!({"require_signatures": false});
    pulp.completed(pulp.client.patch(&remote, &change).await.expect(202)).await;
    pulp.completed(sync(&pulp, &repository).await).await;
    let unsigned = pulp.client.get(&format!("{NOTES}?name=unsigned")).await.expect(200);
    assert_eq!(unsigned["results"][0]["artifacts"].as_object().unwrap().len(), 1);

    for (line, expected) in [
        ("{}", "line 1 of"),
        (r#"{"name": "../../x", "sha256": "00"}"#, "the name \"../../x\" is not"),
        (r#"{"name": "x", "sha256": "00"}"#, "\"00\" is not a SHA-256"),
    ] {
        upstream.put("notes.jsonl", line);
        let error = pulp.failed(sync(&pulp, &repository).await).await;
        assert!(error.contains(expected), "{error}");
    }
    let refused = pulp.client.post_form(NOTES, upload("a/b", &repository)).await.expect(400);
    assert!(refused["name"][0].as_str().unwrap().contains("is not 1 to 200 letters"), "{refused}");
    let unsigned = Form::new().text("name", "x").part("file", Part::bytes(b"x".as_slice()).file_name("x"));
    let refused = pulp.client.post_form(NOTES, unsigned).await.expect(400);
    assert_eq!(refused, json!({"signature": ["No file was submitted."]}));
}
