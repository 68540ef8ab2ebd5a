//! Versions of repositories as clients make them: modify, upload, publish by itself, delete, keep only some.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use integration_tests::fixtures::{DISTRIBUTIONS, FILES, PUBLICATIONS, REPOSITORIES};
use integration_tests::{Pulp, until};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

/// Uploads a file as content; answers its href.
async fn upload(pulp: &Pulp, path: &str, bytes: &str) -> String {
    let file = Part::bytes(bytes.as_bytes().to_vec()).file_name("file");
    let form = Form::new().text("relative_path", path.to_owned()).part("file", file);
    let task = pulp.completed(pulp.client.post_form(FILES, form).await.expect(202)).await;
    task["created_resources"][0].as_str().unwrap().to_owned()
}

async fn modify(pulp: &Pulp, repository: &str, body: Value) -> Value {
    pulp.client.post(&format!("{repository}modify/"), &body).await.expect(202)
}

async fn numbers(pulp: &Pulp, repository: &str) -> Vec<i64> {
    let list = pulp.client.get(&format!("{repository}versions/?ordering=number")).await.expect(200);
    list["results"].as_array().unwrap().iter().map(|version| version["number"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn versions_are_made_replaced_and_deleted() {
    let pulp = Pulp::start().await;
    let repository = pulp.repository("r").await;
    let (a, b) = (upload(&pulp, "a", "1").await, upload(&pulp, "b", "1").await);
    assert_eq!(upload(&pulp, "a", "1").await, a, "the same path and bytes are the same unit");

    pulp.completed(modify(&pulp, &repository, json!({"add_content_units": [a, b]})).await).await;
    let other = upload(&pulp, "a", "2").await;
    pulp.completed(modify(&pulp, &repository, json!({"add_content_units": [other]})).await).await;
    let latest = pulp.latest(&repository).await;
    assert_eq!(latest["content_summary"]["added"]["file.file"]["count"], 1);
    assert_eq!(latest["content_summary"]["removed"]["file.file"]["count"], 1, "one path, one unit");

    let task = pulp.completed(modify(&pulp, &repository, json!({"add_content_units": [other]})).await).await;
    assert_eq!(task["created_resources"], json!([]), "no change, no version");

    let inside = upload(&pulp, "b/c", "1").await;
    let reason = pulp.failed(modify(&pulp, &repository, json!({"add_content_units": [inside]})).await).await;
    assert!(reason.contains("\"b\""), "{reason}");
    let twice = [upload(&pulp, "d", "1").await, upload(&pulp, "d", "2").await];
    let reason = pulp.failed(modify(&pulp, &repository, json!({"add_content_units": twice})).await).await;
    assert!(reason.contains("\"d\""), "{reason}");
    assert_eq!(numbers(&pulp, &repository).await, [0, 1, 2], "a failed attempt takes no number");

    let first = format!("{repository}versions/1/");
    let back = json!({"base_version": first, "remove_content_units": [b]});
    pulp.completed(modify(&pulp, &repository, back).await).await;
    assert_eq!(pulp.paths(&pulp.latest(&repository).await).await, ["a"]);

    pulp.completed(pulp.client.delete(&first).await.expect(202)).await;
    assert_eq!(numbers(&pulp, &repository).await, [0, 2, 3]);
    let second = pulp.client.get(&format!("{repository}versions/2/")).await.expect(200);
    assert_eq!(second["content_summary"]["present"]["file.file"]["count"], 2);
    assert_eq!(second["content_summary"]["added"]["file.file"]["count"], 2);

    let keep = json!({"retain_repo_versions": 1});
    pulp.completed(pulp.client.patch(&repository, &keep).await.expect(202)).await;
    assert_eq!(numbers(&pulp, &repository).await, [3]);
    pulp.completed(pulp.client.delete(&repository).await.expect(202)).await;
    pulp.client.get(&repository).await.expect(404);
}

#[tokio::test]
async fn new_versions_publish_themselves() {
    let pulp = Pulp::start().await;
    let body = json!({"name": "r", "autopublish": true, "manifest": "LIST"});
    let repository = pulp.client.post(REPOSITORIES, &body).await.expect(201)["pulp_href"].clone();
    let repository = repository.as_str().unwrap();
    let base = pulp.distribute("r", json!({"repository": repository})).await;
    assert_eq!(pulp.content.get(&format!("{base}a")).await.status, 404);

    let a = upload(&pulp, "a", "1").await;
    pulp.completed(modify(&pulp, repository, json!({"add_content_units": [a]})).await).await;
    assert_eq!(pulp.content.get(&format!("{base}a")).await.text(), "1", "served at once");
    assert!(pulp.content.get(&format!("{base}LIST")).await.text().starts_with("a,"));
    let publications = pulp.client.get(PUBLICATIONS).await.expect(200);
    assert_eq!(publications["results"][0]["repository_version"], format!("{repository}versions/1/"));

    let distribution = pulp.client.get(DISTRIBUTIONS).await.expect(200)["results"][0]["pulp_href"].clone();
    pulp.completed(pulp.client.delete(distribution.as_str().unwrap()).await.expect(202)).await;
    assert_eq!(pulp.content.get(&format!("{base}a")).await.status, 404);
}

#[tokio::test]
async fn changes_at_the_same_time_all_count() {
    let pulp = Pulp::start().await;
    let repository = pulp.repository("r").await;
    let answers = futures_util::join!(
        async { pulp.client.patch(&repository, &json!({"autopublish": true})).await.expect(202) },
        async { pulp.client.patch(&repository, &json!({"manifest": "LIST"})).await.expect(202) },
        async { pulp.client.patch(&repository, &json!({"description": "both"})).await.expect(202) },
    );
    for answer in [answers.0, answers.1, answers.2] {
        pulp.completed(answer).await;
    }
    let changed = pulp.client.get(&repository).await.expect(200);
    let shown = (&changed["autopublish"], &changed["manifest"], &changed["description"]);
    assert_eq!(shown, (&json!(true), &json!("LIST"), &json!("both")));
    let same = pulp.client.patch(&repository, &json!({"autopublish": true})).await;
    assert_eq!(same.status, 200, "nothing to do, no task");
}

#[tokio::test]
async fn orphans_go_with_their_files() {
    let pulp = Pulp::builder().set("PULP_WORKER_TTL", 3).start().await;
    upload(&pulp, "a", "1").await;
    let (b, repository) = (upload(&pulp, "b", "2").await, pulp.repository("r").await);
    pulp.completed(modify(&pulp, &repository, json!({"add_content_units": [b]})).await).await;
    assert_eq!(pulp.stored("artifact").len(), 2);
    let pulp = &pulp;
    let clean = async |minutes: u32| {
        let body = json!({"orphan_protection_time": minutes});
        let answer = pulp.client.post("/pulp/api/v3/orphans/cleanup/", &body).await.expect(202);
        pulp.completed(answer).await;
    };
    clean(u32::MAX).await;
    assert_eq!(pulp.client.get(FILES).await.expect(200)["count"], 2, "protected for ever");
    clean(0).await;
    let left = pulp.client.get(FILES).await.expect(200);
    assert_eq!((left["count"].as_i64(), left["results"][0]["relative_path"].as_str()), (Some(1), Some("b")));
    // The file outlives its row by two times the workers' time to live.
    until("the file of the orphan goes", || async {
        clean(0).await;
        (pulp.stored("artifact").len() == 1).then_some(())
    })
    .await;
}
