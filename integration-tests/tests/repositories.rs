//! Versions of repositories as clients make them: modify, upload, publish by itself, delete, keep only some.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use integration_tests::fixtures::{DISTRIBUTIONS, FILES, PUBLICATIONS, REPOSITORIES, href};
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

/// A repository with a served version 1 and a version 2 that is not published; returns it with the path of
/// the file that version 1 has.
async fn served_through_its_repository(pulp: &Pulp, name: &str, keep: Value) -> (String, String) {
    let limits = json!({"name": name, "retain_repo_versions": keep});
    let repository = href(&pulp.client.post(REPOSITORIES, &limits).await.expect(201));
    let unit = upload(pulp, name, name).await;
    pulp.completed(modify(pulp, &repository, json!({"add_content_units": [unit]})).await).await;
    pulp.publish(&repository).await;
    let path = pulp.distribute(name, json!({"repository": repository})).await;
    let change = json!({"remove_content_units": [unit]});
    pulp.completed(modify(pulp, &repository, change).await).await;
    (repository, format!("{path}{name}"))
}

#[tokio::test]
async fn what_is_served_through_its_repository_stays() {
    let pulp = Pulp::start().await;
    let (repository, path) = served_through_its_repository(&pulp, "retention", json!(1)).await;
    assert_eq!(numbers(&pulp, &repository).await, [1, 2], "version 1 holds what is served");
    pulp.content.get(&path).await.expect(200);

    let (repository, path) = served_through_its_repository(&pulp, "lowered", Value::Null).await;
    let keep = json!({"retain_repo_versions": 1});
    pulp.completed(pulp.client.patch(&repository, &keep).await.expect(202)).await;
    assert_eq!(numbers(&pulp, &repository).await, [1, 2]);
    let refused = pulp.client.delete(&format!("{repository}versions/1/")).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("currently being used to distribute content"), "{}", refused.text());
    pulp.content.get(&path).await.expect(200);

    pulp.publish(&repository).await;
    assert_eq!(pulp.content.get(&path).await.status, 404, "the newest publication is without the file");
    pulp.completed(pulp.client.delete(&format!("{repository}versions/1/")).await.expect(202)).await;
    assert_eq!(numbers(&pulp, &repository).await, [2]);
}

#[tokio::test]
async fn checkpoints_stay_until_there_are_too_many() {
    let pulp = Pulp::start().await;
    let limits = json!({"name": "r", "retain_repo_versions": 1, "retain_checkpoints": 2});
    let repository = href(&pulp.client.post(REPOSITORIES, &limits).await.expect(201));
    let body = json!({"name": "d", "base_path": "d", "repository": repository, "checkpoint": true});
    pulp.completed(pulp.client.post(DISTRIBUTIONS, &body).await.expect(202)).await;
    for number in 0..3 {
        let unit = upload(&pulp, &format!("f{number}"), "x").await;
        pulp.completed(modify(&pulp, &repository, json!({"add_content_units": [unit]})).await).await;
        let checkpoint = json!({"repository": repository, "checkpoint": true});
        pulp.completed(pulp.client.post(PUBLICATIONS, &checkpoint).await.expect(202)).await;
    }
    let checkpoints = async || {
        let list = format!("{PUBLICATIONS}?checkpoint=true");
        pulp.client.get(&list).await.expect(200)["count"].as_i64().unwrap()
    };
    assert_eq!((checkpoints().await, numbers(&pulp, &repository).await), (2, vec![2, 3]));
    let keep = json!({"retain_checkpoints": 1});
    pulp.completed(pulp.client.patch(&repository, &keep).await.expect(202)).await;
    assert_eq!((checkpoints().await, numbers(&pulp, &repository).await), (1, vec![3]));
}

#[tokio::test]
async fn a_cleanup_of_named_units_takes_nothing_else() {
    let pulp = Pulp::start().await;
    let (named, other) = (upload(&pulp, "a", "1").await, upload(&pulp, "b", "2").await);
    let alone = Form::new().part("file", Part::bytes(&b"3"[..]).file_name("f"));
    let alone = href(&pulp.client.post_form("/pulp/api/v3/artifacts/", alone).await.expect(201));
    let body = json!({"content_hrefs": [named], "orphan_protection_time": 0});
    let answer = pulp.client.post("/pulp/api/v3/orphans/cleanup/", &body).await.expect(202);
    let task = pulp.completed(answer).await;
    let done = task["progress_reports"].as_array().unwrap().iter().map(|report| report["done"].clone());
    assert_eq!(done.collect::<Vec<_>>(), [1, 1], "{task:#}");
    pulp.client.get(&named).await.expect(404);
    pulp.client.get(&other).await.expect(200);
    pulp.client.get(&alone).await.expect(200);
}

#[tokio::test]
async fn a_generated_file_does_not_take_the_place_of_content() {
    let pulp = Pulp::start().await;
    let repository = pulp.repository("r").await;
    let mut units = Vec::new();
    for path in ["a", "b/c"] {
        units.push(upload(&pulp, path, "x").await);
    }
    pulp.completed(modify(&pulp, &repository, json!({"add_content_units": units})).await).await;
    for manifest in ["a", "b", "a/MANIFEST", "b/c/d"] {
        let body = json!({"repository": repository, "manifest": manifest});
        let reason = pulp.failed(pulp.client.post(PUBLICATIONS, &body).await.expect(202)).await;
        assert!(reason.contains(&format!("{manifest:?}")), "{reason}");
    }
    for manifest in ["b/MANIFEST", "c"] {
        let body = json!({"repository": repository, "manifest": manifest});
        pulp.completed(pulp.client.post(PUBLICATIONS, &body).await.expect(202)).await;
    }
    let named = upload(&pulp, "PULP_MANIFEST", "x").await;
    pulp.completed(modify(&pulp, &repository, json!({"add_content_units": [named]})).await).await;
    pulp.failed(pulp.client.post(PUBLICATIONS, &json!({"repository": repository})).await.expect(202)).await;
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
