//! What clients of Pulp rely on beyond the document: copies between repositories, labels, cancellation,
//! pages.

use integration_tests::fixtures::{FILES, PUBLICATIONS, REMOTES, REPOSITORIES, created, href};
use integration_tests::{Fault, Pulp, Upstream, until};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

async fn upload(pulp: &Pulp, path: &str, bytes: &str, repository: Option<&str>) -> Value {
    let file = Part::bytes(bytes.as_bytes().to_vec()).file_name("file");
    let mut form = Form::new().text("relative_path", path.to_owned()).part("file", file);
    if let Some(repository) = repository {
        form = form.text("repository", repository.to_owned());
    }
    pulp.completed(pulp.client.post_form(FILES, form).await.expect(202)).await
}

async fn modify(pulp: &Pulp, repository: &str, body: Value) -> Value {
    pulp.client.post(&format!("{repository}modify/"), &body).await.expect(202)
}

#[tokio::test]
async fn versions_are_copied_between_repositories() {
    let pulp = Pulp::start().await;
    let (source, target) = (pulp.repository("source").await, pulp.repository("target").await);
    for path in ["a", "b"] {
        let task = upload(&pulp, path, path, Some(&source)).await;
        assert!(created(&task, 0).contains("/versions/"), "the version comes first");
        assert!(created(&task, 1).contains("/content/"), "the unit comes last");
    }
    upload(&pulp, "own", "own", Some(&target)).await;

    let version = pulp.latest(&source).await;
    pulp.completed(modify(&pulp, &target, json!({"base_version": version["pulp_href"]})).await).await;
    assert_eq!(pulp.paths(&pulp.latest(&target).await).await, ["a", "b"]);
    let again = modify(&pulp, &target, json!({"base_version": version["prn"]})).await;
    assert_eq!(pulp.completed(again).await["created_resources"], json!([]), "nothing to change");
    let first = format!("{source}versions/1/");
    let more = created(&upload(&pulp, "c", "c", None).await, 0);
    let body = json!({"base_version": first, "add_content_units": [more]});
    pulp.completed(modify(&pulp, &target, body).await).await;
    assert_eq!(pulp.paths(&pulp.latest(&target).await).await, ["a", "c"]);
    assert_eq!(pulp.paths(&pulp.latest(&source).await).await, ["a", "b"], "the source stays as it is");
}

#[tokio::test]
async fn units_are_overwritten_unless_that_is_refused() {
    let pulp = Pulp::start().await;
    let repository = pulp.repository("r").await;
    upload(&pulp, "a", "1", Some(&repository)).await;
    let other = created(&upload(&pulp, "a", "2", None).await, 0);
    let body = json!({"add_content_units": [other], "overwrite": false});
    let reason = pulp.failed(modify(&pulp, &repository, body).await).await;
    assert!(reason.contains("\"a\""), "{reason}");
    assert_eq!(pulp.latest(&repository).await["number"], 1);
    let body = json!({"add_content_units": [other], "overwrite": true});
    pulp.completed(modify(&pulp, &repository, body).await).await;
    let present = created(&upload(&pulp, "a", "2", None).await, 0);
    let body = json!({"add_content_units": [present], "overwrite": false});
    let task = pulp.completed(modify(&pulp, &repository, body).await).await;
    assert_eq!(task["created_resources"], json!([]), "the same unit again replaces nothing");
}

#[tokio::test]
async fn labels_are_texts_of_many_forms() {
    let pulp = Pulp::builder().workers(0).managers(0).start().await;
    let labels = json!({"signed_by": "release4,release2", "number": 7, "empty": ""});
    let body = json!({"name": "r", "pulp_labels": labels});
    let repository = pulp.client.post(REPOSITORIES, &body).await.expect(201);
    assert_eq!(repository["pulp_labels"]["number"], "7");
    let found = async |select: &str| {
        let list = format!("{REPOSITORIES}?pulp_label_select={select}");
        pulp.client.get(&list).await.expect(200)["count"].as_i64().unwrap()
    };
    assert_eq!(found("signed_by=release4%5C,release2").await, 1);
    assert_eq!(found("signed_by=release4,signed_by").await, 0, "two terms");
    assert_eq!(found("empty=").await, 1);

    let repository = href(&repository);
    let set = format!("{repository}set_label/");
    for value in [json!(""), json!("a,b"), json!(12), Value::Null] {
        pulp.client.post(&set, &json!({"key": "k", "value": value})).await.expect(201);
    }
    pulp.client.post(&set, &json!({"key": "k", "value": "(a)"})).await.expect(400);
    let unset = format!("{repository}unset_label/");
    let removed = pulp.client.post(&unset, &json!({"key": "k"})).await.expect(201);
    assert_eq!(removed["value"], Value::Null);
    pulp.client.post(&unset, &json!({"key": "k"})).await.expect(400);
}

#[tokio::test]
async fn a_canceled_task_may_be_canceled_again() {
    let (pulp, upstream) = (Pulp::start().await, Upstream::with_files(3).await);
    upstream.misbehave("PULP_MANIFEST", Fault::Stalled(0));
    let (remote, repository) = (pulp.remote("r", &upstream, "immediate").await, pulp.repository("r").await);
    let sync = pulp.sync(&repository, &remote, false).await;
    let task = sync["task"].as_str().unwrap();
    let cancel = json!({"state": "canceled"});
    pulp.client.patch(task, &cancel).await.expect(200);
    until("the task is canceled", || async {
        (pulp.client.get(task).await.expect(200)["state"] == "canceled").then_some(())
    })
    .await;
    assert_eq!(pulp.client.patch(task, &cancel).await.expect(200)["state"], "canceled");
    let done = pulp.client.patch(&repository, &json!({"description": "x"})).await.expect(202);
    pulp.completed(done.clone()).await;
    let refused = pulp.client.patch(done["task"].as_str().unwrap(), &cancel).await.expect(409);
    assert_eq!(refused["state"], "completed");
}

#[tokio::test]
async fn two_publications_of_one_version_and_checkpoints_of_none_are_refused() {
    let pulp = Pulp::builder().workers(0).managers(0).start().await;
    let remote = json!({"name": "r", "url": "http://127.0.0.1:9/PULP_MANIFEST"});
    let remote = href(&pulp.client.post(REMOTES, &remote).await.expect(201));
    let body = json!({"name": "r", "autopublish": true, "remote": remote});
    let repository = href(&pulp.client.post(REPOSITORIES, &body).await.expect(201));
    pulp.client.post(&format!("{repository}sync/"), &json!({"mirror": true})).await.expect(400);
    let version = format!("{repository}versions/0/");
    let body = json!({"repository_version": version, "checkpoint": true});
    pulp.client.post(PUBLICATIONS, &body).await.expect(400);
    let body = json!({"name": "d", "base_path": "d", "checkpoint": true});
    pulp.client.post(integration_tests::fixtures::DISTRIBUTIONS, &body).await.expect(400);
}

#[tokio::test]
async fn a_path_that_a_manifest_would_lose_is_refused() {
    let pulp = Pulp::builder().workers(0).managers(0).start().await;
    let file = Part::bytes(&b"x"[..]).file_name("file");
    let form = Form::new().text("relative_path", "#notes.txt").part("file", file);
    let refused = pulp.client.post_form(FILES, form).await.expect(400);
    assert!(refused["relative_path"].to_string().contains("comment"), "{refused}");
}

#[tokio::test]
async fn pages_are_the_list_wherever_they_begin() {
    let pulp = Pulp::builder().workers(0).managers(0).start().await;
    for number in 0..7 {
        pulp.client.post(REPOSITORIES, &json!({"name": format!("r{number}")})).await.expect(201);
    }
    let names = async |query: &str| {
        let page = pulp.client.get(&format!("{REPOSITORIES}?fields=name&{query}")).await.expect(200);
        let names = page["results"].as_array().unwrap().iter();
        names.map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for order in ["", "ordering=-name", "ordering=pulp_created", "ordering=retain_repo_versions,-name"] {
        let all = names(order).await;
        assert_eq!(all.len(), 7);
        for offset in 0..8 {
            let page = names(&format!("{order}&limit=3&offset={offset}")).await;
            assert_eq!(page, all[offset.min(7)..(offset + 3).min(7)], "{order} from {offset}");
        }
    }
    assert_eq!(names("limit=1000000").await.len(), 7, "a limit above the number of rows is none");
    for list in ["repositories", "remotes", "distributions", "publications", "content"] {
        let list = format!("/pulp/api/v3/{list}/?pulp_type");
        pulp.client.get(&format!("{list}=file.file")).await.expect(200);
        pulp.client.get(&format!("{list}__in=file.file")).await.expect(200);
        pulp.client.get(&format!("{list}=foo.bar")).await.expect(400);
        pulp.client.get(&format!("{list}__in=file.file,foo.bar")).await.expect(400);
    }
}

#[tokio::test]
async fn a_repository_stands_for_its_latest_version() {
    let pulp = Pulp::start().await;
    let repository = pulp.repository("r").await;
    for path in ["a", "b"] {
        upload(&pulp, path, path, Some(&repository)).await;
    }
    let prn = pulp.client.get(&repository).await.expect(200)["prn"].as_str().unwrap().to_owned();
    for list in [FILES, "/pulp/api/v3/content/", "/pulp/api/v3/artifacts/"] {
        for name in [repository.as_str(), &prn] {
            let count = async |filter: &str| {
                let answer = pulp.client.get(&format!("{list}?{filter}={name}")).await.expect(200);
                answer["count"].as_i64().unwrap()
            };
            assert_eq!(count("repository_version").await, 2, "{list} {name}");
            if !list.contains("artifacts") {
                assert_eq!(count("repository_version_added").await, 1);
                assert_eq!(count("repository_version_removed").await, 0);
            }
        }
    }
}
