//! The content pipeline of the core, with a content type that is not the file plugin's: several artifacts a
//! unit, units without artifacts, units that refer to others, keys in a version, publications and uploads.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod library;
mod shelf;

use integration_tests::{Fault, sha256};
use library::Library;
use reqwest::multipart::{Form, Part};
use serde_json::json;
use shelf::{Publish, Synchronize, Upload};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_come_with_their_artifacts_and_with_those_that_refer_to_them() {
    let library = Library::open("immediate").await;
    let mut lines: Vec<_> =
        (0..450).map(|number| library.book(&format!("b{number}"), 1, Some("s"))).collect();
    library.list(&lines);
    let task = library.completed(&library.synchronize()).await;
    let all = json!({"shelf.book": 450, "shelf.series": 1, "shelf.membership": 450});
    assert_eq!(library.present().await, all);
    assert_eq!(library.pulp.stored("artifact").len(), 900, "text and signature of each");
    let done = |task: &serde_json::Value, code: &str| {
        let reports = task["progress_reports"].as_array().unwrap();
        let report = reports.iter().find(|report| report["code"] == code).unwrap();
        assert_eq!(report["state"], "completed");
        report["done"].as_i64().unwrap()
    };
    assert_eq!(done(&task, "sync.downloading.artifacts"), 900);
    assert_eq!(done(&task, "associating.content"), 901);
    let right = "SELECT count(*) FROM shelf_membership JOIN shelf_book ON shelf_book.content_id = book_id
                 JOIN shelf_series ON shelf_series.content_id = series_id WHERE name = 's'";
    assert_eq!(library.value(right).await, 450, "each refers to its own book");
    let openers = library.value("SELECT count(*) FROM shelf_series_opener").await;
    assert_eq!(openers, 1, "units can be linked by a table, too");

    let skipped = library.completed(&Synchronize { optimize: true, ..library.synchronize() }).await;
    assert_eq!(skipped["progress_reports"][0]["code"], "sync.was_skipped");
    let again = library.completed(&library.synchronize()).await;
    assert_eq!(library.versions().await, 2, "nothing changed");
    assert_eq!(done(&again, "associating.content"), 0, "nothing is added again, whatever it refers to");
    assert_eq!(library.upstream.requests("b7-1.txt"), 1, "what is known is not downloaded again");
    assert_eq!(library.upstream.requests("b7-1.sig"), 1, "even if no digest was announced");

    lines.truncate(2);
    lines[1].series = None;
    library.list(&lines);
    library.completed(&library.synchronize()).await;
    assert_eq!(library.present().await, all, "additive");
    library.completed(&Synchronize { mirror: true, ..library.synchronize() }).await;
    assert_eq!(
        library.present().await,
        json!({"shelf.book": 2, "shelf.series": 1, "shelf.membership": 1}),
        "a mirror drops units of every type"
    );
    assert_eq!(library.value("SELECT count(*) FROM sync_unit").await, 0);
    library.close().await;
}

/// The source waits for each unit before it declares the next: no batch waits to be full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_can_wait_for_its_units() {
    let library = Library::open("on_demand").await;
    let lines: Vec<_> = (0..5).map(|number| library.book(&format!("b{number}"), 1, Some("s"))).collect();
    library.list(&lines);
    library.completed(&Synchronize { patient: true, ..library.synchronize() }).await;
    assert_eq!(library.present().await, json!({"shelf.book": 5, "shelf.series": 1, "shelf.membership": 5}));
    assert_eq!(library.upstream.requests("b1-1.txt"), 0, "on demand");
    assert_eq!(library.upstream.requests("b1-1.sig"), 1, "wanted now, whatever the policy");
    library.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_one_unit_in_a_version() {
    let library = Library::open("on_demand").await;
    let (first, second) = (library.book("b", 1, None), library.book("b", 2, None));
    library.list(&[first.clone(), second.clone()]);
    let error = library.failed(&library.synchronize()).await;
    assert!(error.contains("two of the added shelf.book units have the same title \"b\""), "{error}");
    assert_eq!(library.versions().await, 1, "only the empty one");

    library.list(std::slice::from_ref(&first));
    library.completed(&library.synchronize()).await;
    library.list(&[first, second.clone()]);
    let error = library.failed(&library.synchronize()).await;
    assert!(error.contains("the remote lists two shelf.book units with the same title \"b\""), "{error}");

    library.list(&[second]);
    library.completed(&library.synchronize()).await;
    assert_eq!(library.present().await, json!({"shelf.book": 1}), "the newer one takes the place");
    library.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_is_canceled_or_fails_leaves_nothing() {
    let library = Library::open("immediate").await;
    let lines: Vec<_> = (0..300).map(|number| library.book(&format!("b{number}"), 1, Some("s"))).collect();
    library.list(&lines);
    library.upstream.put("b299-1.txt", vec![b'x'; 2_000_000]);
    library.upstream.misbehave("b299-1.txt", Fault::Stalled(1_000_000));
    let dispatched = library.dispatch(&library.synchronize()).await;
    library.becomes("SELECT count(*) > 100 FROM repository_content").await;
    let href = dispatched["task"].as_str().unwrap();
    library.pulp.client.patch(href, &json!({"state": "canceled"})).await;
    let task = library.pulp.monitor_task(href).await;
    assert_eq!(task["state"], "canceled", "{task:#}");
    library.becomes("SELECT count(*) = 0 FROM repository_content").await;
    library.becomes("SELECT count(*) = 1 FROM repository_version").await;
    assert!(library.pulp.stored("staging").is_empty());

    library.upstream.misbehave("b299-1.txt", None);
    let error = library.failed(&library.synchronize()).await;
    let (url, digest) = (library.upstream.url_of("b299-1.txt"), sha256(b"b299 1"));
    assert!(error.contains(&url) && error.contains(&digest), "{error}");
    assert_eq!(library.versions().await, 1);
    assert!(library.pulp.stored("staging").is_empty());

    library.book("b299", 1, Some("s"));
    library.completed(&library.synchronize()).await;
    assert_eq!(library.present().await["shelf.book"], 300);
    assert_eq!(library.value("SELECT count(*) FROM sync_unit").await, 0, "swept by the next sync");
    library.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_serves_files_of_content_and_generated_ones() {
    let library = Library::open("immediate").await;
    let lines = [library.book("a", 1, Some("s")), library.book("b", 3, None)];
    library.list(&lines);
    library.completed(&library.synchronize()).await;
    let version = library.newest().await;
    for (index, expected) in [
        ("a/text", "two files of the publication have the same path \"a/text\""),
        ("a", "the path \"a\" of the publication is a file and, for another file, a directory"),
        ("../index", "the path \"../index\" contains"),
    ] {
        let error = library.failed(&Publish { version, index: index.to_owned() }).await;
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(library.value("SELECT count(*) FROM publication").await, 0);

    library.completed(&Publish { version, index: "index".to_owned() }).await;
    let publication = library.value("SELECT pulp_id FROM publication").await;
    let row = json!({"pulp_id": uuid::Uuid::now_v7(), "name": "d", "base_path": "d", "pulp_type": "file.file",
                     "publication_id": publication});
    library.insert("distribution", row).await;
    let get = async |path: &str| library.pulp.content.get(&format!("/pulp/content/d/{path}")).await;
    assert_eq!(get("b/text").await.text(), "b 3");
    assert_eq!(get("a/signature").await.text(), "signature of a 1");
    let index = "a 1 signature 16\na 1 text 3\nb 3 signature 16\nb 3 text 3\n";
    assert_eq!(get("index").await.text(), index);
    assert_eq!(get("text").await.status, 404, "only what was published");
    library.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploaded_bytes_are_parsed_into_a_unit() {
    let library = Library::open("immediate").await;
    let upload = async |text: &'static str| {
        let form = Form::new().part("file", Part::bytes(text.as_bytes()).file_name("file"));
        let artifact = library.pulp.client.post_form("/pulp/api/v3/artifacts/", form).await.expect(201);
        let href = artifact["pulp_href"].as_str().unwrap();
        href.trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap()
    };
    let repository = Some(library.repository);
    let artifact = upload("dune 1\nA beginning is a very delicate time.").await;
    let task = library.completed(&Upload { artifact, repository }).await;
    let created = task["created_resources"].as_array().unwrap();
    assert_eq!(created.len(), 2, "the unit and the version: {created:?}");
    assert_eq!(library.present().await, json!({"shelf.book": 1}));
    assert_eq!(library.value("SELECT pulp_labels FROM content").await, json!({"from": "upload"}));

    let again = library.completed(&Upload { artifact, repository }).await;
    assert_eq!(again["created_resources"], json!([created[0]]), "the same unit, and no new version");
    let artifact = upload("untitled").await;
    let error = library.failed(&Upload { artifact, repository }).await;
    assert!(error.contains("\"untitled\" is no title"), "{error}");
    assert_eq!(library.versions().await, 2);
    library.close().await;
}
