//! Bytes behind rows: files that are lost or cut come back when somebody brings the bytes, and a store that
//! is not that of the installation is refused.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::path::PathBuf;

use integration_tests::fixtures::{FILES, PUBLICATIONS, created};
use integration_tests::{Client, Pulp, Upstream, sha256};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

const ARTIFACTS: &str = "/pulp/api/v3/artifacts/";
const BYTES: &[u8] = b"bytes that get lost";

fn form(bytes: &[u8]) -> Form {
    Form::new().part("file", Part::bytes(bytes.to_vec()).file_name("file"))
}

async fn upload(pulp: &Pulp, repository: &str) -> Value {
    let form = form(BYTES).text("relative_path", "lost").text("repository", repository.to_owned());
    pulp.completed(pulp.client.post_form(FILES, form).await.expect(202)).await
}

/// The file of an artifact.
fn file(pulp: &Pulp, bytes: &[u8]) -> PathBuf {
    let digest = sha256(bytes);
    pulp.media().join("artifact").join(&digest[..2]).join(&digest[2..])
}

/// What can happen to a file behind everybody's back.
const DAMAGES: [fn(&PathBuf); 4] = [
    |path| std::fs::remove_file(path).unwrap(),
    |path| std::fs::write(path, &BYTES[..5]).unwrap(),
    |path| std::fs::write(path, "").unwrap(),
    |path| {
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
    },
];

#[tokio::test]
async fn a_lost_file_comes_back_with_every_form_of_upload() {
    let pulp = Pulp::start().await;
    let repository = pulp.repository("r").await;
    upload(&pulp, &repository).await;
    let path = file(&pulp, BYTES);
    let served = pulp.distribute("d", json!({"publication": pulp.publish(&repository).await})).await;
    let is_whole = async |how: &str| {
        assert_eq!(pulp.content.get(&format!("{served}lost")).await.bytes, BYTES, "{how}");
    };
    for (number, damage) in DAMAGES.iter().enumerate() {
        damage(&path);
        upload(&pulp, &repository).await;
        is_whole(&format!("uploaded as content after damage {number}")).await;
    }
    DAMAGES[0](&path);
    pulp.client.post_form(ARTIFACTS, form(BYTES)).await.expect(400);
    is_whole("uploaded as an artifact that is there already").await;

    DAMAGES[1](&path);
    let chunked = pulp.client.post("/pulp/api/v3/uploads/", &json!({"size": BYTES.len()})).await.expect(201);
    let chunked = chunked["pulp_href"].as_str().unwrap();
    let range = format!("bytes 0-{}/{}", BYTES.len() - 1, BYTES.len());
    let put = pulp.client.request(reqwest::Method::PUT, chunked).header("Content-Range", range);
    integration_tests::send(put.multipart(form(BYTES))).await.expect(200);
    let commit = json!({"sha256": sha256(BYTES)});
    pulp.completed(pulp.client.post(&format!("{chunked}commit/"), &commit).await.expect(202)).await;
    is_whole("uploaded in chunks").await;

    DAMAGES[0](&path);
    let upstream = Upstream::start().await;
    upstream.put("lost", BYTES);
    let form = Form::new().text("relative_path", "lost").text("file_url", upstream.url_of("lost"));
    pulp.completed(pulp.client.post_form(FILES, form).await.expect(202)).await;
    is_whole("fetched from a URL").await;
}

#[tokio::test]
async fn a_sync_and_a_publication_bring_back_what_is_lost() {
    let (pulp, upstream) = (Pulp::start().await, Upstream::with_files(12).await);
    let remote = pulp.remote("r", &upstream, "immediate").await;
    let repository = pulp.repository("r").await;
    pulp.completed(pulp.sync(&repository, &remote, false).await).await;
    let served = pulp.distribute("d", json!({"publication": pulp.publish(&repository).await})).await;
    for (number, path) in pulp.stored("artifact").iter().enumerate().take(9) {
        match number % 3 {
            0 => std::fs::remove_file(path).unwrap(),
            1 => std::fs::write(path, "").unwrap(),
            _ => {
                std::fs::write(path, "much longer than what was there before, as it should never be").unwrap()
            }
        }
    }
    let again = json!({"remote": remote, "optimize": false});
    let sync = pulp.client.post(&format!("{repository}sync/"), &again).await.expect(202);
    let task = pulp.completed(sync).await;
    assert_eq!(task["created_resources"], json!([]), "nothing changed but the files");
    // The same version has the same manifest, so it is as lost as the others.
    let version = pulp.latest(&repository).await["pulp_href"].clone();
    let publish = json!({"repository_version": version});
    pulp.completed(pulp.client.post(PUBLICATIONS, &publish).await.expect(202)).await;
    for path in upstream.paths().iter().chain([&"PULP_MANIFEST".to_owned()]) {
        let answer = pulp.content.get(&format!("{served}{path}")).await;
        assert_eq!((answer.status, answer.bytes), (200, upstream.bytes(path).to_vec()), "{path}");
    }
}

#[tokio::test]
async fn a_store_that_is_not_mounted_is_refused() {
    let mut pulp = Pulp::start().await;
    let repository = pulp.repository("r").await;
    upload(&pulp, &repository).await;
    let away = pulp.directory().join("unmounted");
    std::fs::rename(pulp.media(), &away).unwrap();
    std::fs::create_dir(pulp.media()).unwrap();

    let small = pulp.client.post_form(ARTIFACTS, form(b"small")).await;
    assert_eq!(small.status, 503, "{}", small.text());
    assert!(small.text().contains("mounted"), "{}", small.text());
    // It is refused before it is read, which ends the connection: another client than for what follows.
    Client::new(&pulp.client.base).post_form(ARTIFACTS, form(&[7; 300_000])).await.expect(503);
    let (upstream, url) = (Upstream::start().await, "lost");
    upstream.put(url, "fetched");
    let fetched = Form::new().text("relative_path", "x").text("file_url", upstream.url_of(url));
    let reason = pulp.failed(pulp.client.post_form(FILES, fetched).await.expect(202)).await;
    assert!(reason.contains("mounted"), "{reason}");
    assert_eq!(pulp.stored(""), Vec::<PathBuf>::new(), "nothing was written beneath the mount point");

    for arguments in [["content", "--bind", "127.0.0.1:0"], ["worker", "--name", "another"]] {
        pulp.spawn("another", &arguments[..]);
        let process = pulp.process("another");
        let status = process.ended(std::time::Duration::from_secs(20)).await;
        assert!(!status.success() && process.log().contains("mounted"), "{}", process.log());
        pulp.processes.pop();
    }

    std::fs::remove_dir(pulp.media()).unwrap();
    std::fs::rename(&away, pulp.media()).unwrap();
    pulp.client.post_form(ARTIFACTS, form(b"small")).await.expect(201);
    std::fs::write(pulp.media().join(".pulp-installation"), "another one's").unwrap();
    let foreign = pulp.client.post_form(ARTIFACTS, form(b"other")).await;
    assert_eq!(foreign.status, 503);
    assert!(foreign.text().contains("another installation"), "{}", foreign.text());
}

#[tokio::test]
async fn chunk_files_that_no_row_knows_are_found() {
    let mut pulp = Pulp::builder().workers(1).start().await;
    let pulp = &mut pulp;
    for _ in 0..3 {
        let upload = pulp.client.post("/pulp/api/v3/uploads/", &json!({"size": 4})).await.expect(201);
        let upload = upload["pulp_href"].as_str().unwrap().to_owned();
        // A client that tries again after a time-out sends one chunk several times at once.
        let put = || {
            let request = pulp.client.request(reqwest::Method::PUT, &upload);
            integration_tests::send(request.header("Content-Range", "bytes 0-3/4").multipart(form(b"four")))
        };
        let answers = futures_util::future::join_all((0..6).map(|_| put())).await;
        answers.into_iter().for_each(|answer| drop(answer.expect(200)));
        let commit = json!({"sha256": sha256(b"four")});
        let task =
            pulp.completed(pulp.client.post(&format!("{upload}commit/"), &commit).await.expect(202)).await;
        created(&task, 0);
    }
    assert_eq!(pulp.stored("upload"), Vec::<PathBuf>::new(), "every chunk that was replaced went");
}
