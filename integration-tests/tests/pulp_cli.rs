//! The real pulp-cli, unmodified, through the main job and the rest of what people do with it every day.

use integration_tests::fixtures::noise;
use integration_tests::{Fault, Pulp, PulpCli, Upstream, sha256, until};
use serde_json::{Value, json};

fn count(list: &Value) -> usize {
    list.as_array().unwrap_or_else(|| panic!("no list: {list:#}")).len()
}

// The command blocks the test's own thread: the upstream needs another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn mirror_publish_and_serve() {
    let (pulp, upstream) = (Pulp::start().await, Upstream::with_files(20).await);
    let cli = PulpCli::new(&pulp);
    let status = cli.run("status");
    assert_eq!(status["database_connection"]["connected"], true);
    assert!(count(&status["online_workers"]) >= 2, "{status:#}");
    assert_eq!(count(&status["online_content_apps"]), 1);

    let url = upstream.url_of("PULP_MANIFEST");
    let remote = cli.run(&format!("file remote create --name r --url {url} --policy on_demand"));
    assert_eq!(remote["policy"], "on_demand");
    cli.run("file remote update --name r --policy immediate --download-concurrency 5");
    let remote = cli.run("file remote show --name r");
    assert_eq!((&remote["policy"], &remote["download_concurrency"]), (&json!("immediate"), &json!(5)));
    assert_eq!(count(&cli.run("file remote list --name-contains r")), 1);

    cli.run("file repository create --name f --remote r --description first");
    cli.run("file repository update --name f --description second");
    assert_eq!(cli.run("file repository show --name f")["description"], "second");
    assert_eq!(count(&cli.run("file repository list")), 1);
    cli.run("file repository sync --name f");
    cli.run("file repository sync --name f --mirror");
    let versions = cli.run("file repository version list --repository f");
    assert_eq!(count(&versions), 2, "{versions:#}");
    let version = cli.run("file repository version show --repository f --version 1");
    assert_eq!(version["content_summary"]["present"]["file.file"]["count"], 20);
    assert_eq!(count(&cli.run("file repository content list --repository f --version 1")), 20);

    let publication = cli.run("file publication create --repository f");
    let publication = publication["pulp_href"].as_str().unwrap();
    assert_eq!(cli.run(&format!("file publication show --href {publication}"))["manifest"], "PULP_MANIFEST");
    assert!(count(&cli.run("file publication list")) >= 1);
    cli.run(&format!("file distribution create --name d --base-path d --publication {publication}"));
    cli.run("file distribution update --name d --base-path e");
    let distribution = cli.run("file distribution show --name d");
    assert_eq!(distribution["base_url"], format!("{}/pulp/content/e/", pulp.content.base));
    assert_eq!(count(&cli.run("file distribution list")), 1);
    for path in upstream.paths() {
        let served = pulp.content.get(&format!("/pulp/content/e/{path}")).await;
        assert_eq!(served.bytes, upstream.bytes(&path), "{path}");
    }
    cli.run("file distribution update --name d --repository f");
    assert_eq!(pulp.content.get("/pulp/content/e/PULP_MANIFEST").await.status, 200);

    cli.run("file distribution destroy --name d");
    cli.run(&format!("file publication destroy --href {publication}"));
    cli.run("file repository destroy --name f");
    cli.run("file remote destroy --name r");
    assert_eq!(pulp.content.get("/pulp/content/e/").await.status, 404);
    for what in ["distribution", "publication", "repository", "remote"] {
        assert_eq!(cli.run(&format!("file {what} list")), json!([]), "{what}");
    }
    assert!(cli.fail("file remote show --name r").contains("Could not find"));
}

// The command blocks the test's own thread: the upstream needs another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn upload_tasks_and_cleanup() {
    let (pulp, upstream) = (Pulp::start().await, Upstream::with_files(3).await);
    let cli = PulpCli::new(&pulp);
    let file = pulp.directory().join("upload.bin");
    let (bytes, place) = (noise(100_000, 1), file.display());
    std::fs::write(&file, &bytes).unwrap();
    let digest = sha256(&bytes);

    cli.run("file repository create --name f --autopublish");
    cli.run(&format!("file content upload --file {place} --relative-path folder/one --repository f"));
    cli.run("file distribution create --name d --base-path d --repository f");
    assert_eq!(pulp.content.get("/pulp/content/d/folder/one").await.bytes, bytes);
    let units = cli.run(&format!("file content list --sha256 {digest}"));
    assert_eq!((count(&units), &units[0]["relative_path"]), (1, &json!("folder/one")));
    cli.run(&format!(
        "file repository content remove --repository f --sha256 {digest} --relative-path folder/one"
    ));
    assert_eq!(count(&cli.run("file repository content list --repository f")), 0);
    cli.run(&format!(
        "file repository content add --repository f --sha256 {digest} --relative-path folder/one"
    ));
    assert_eq!(count(&cli.run("file repository content list --repository f")), 1);
    cli.run("file repository version destroy --repository f --version 1");

    let bytes = noise(250_000, 2);
    std::fs::write(&file, &bytes).unwrap();
    let digest = sha256(&bytes);
    cli.run(&format!("artifact upload --file {place} --chunk-size 100kB"));
    let artifacts = cli.run(&format!("artifact list --sha256 {digest}"));
    assert_eq!((count(&artifacts), &artifacts[0]["size"]), (1, &json!(250_000)));
    cli.run(&format!("file content create --sha256 {digest} --relative-path two --repository f"));
    assert_eq!(pulp.content.get("/pulp/content/d/two").await.bytes, bytes);

    // A sync that hangs is canceled.
    upstream.misbehave("PULP_MANIFEST", Fault::Stalled(10));
    cli.run(&format!("file remote create --name r --url {}", upstream.url_of("PULP_MANIFEST")));
    cli.run("--background file repository sync --name f --remote r");
    let running = until("the sync runs", || async {
        cli.run("task list --state running").as_array().unwrap().first().cloned()
    })
    .await;
    let href = running["pulp_href"].as_str().unwrap();
    cli.run(&format!("task cancel --href {href}"));
    assert_eq!(pulp.monitor_task(href).await["state"], "canceled");
    assert_eq!(cli.run(&format!("task show --href {href}"))["name"], running["name"]);
    cli.fail(&format!("task cancel --href {href}"));
    assert!(cli.fail("file repository sync --name nothing --remote r").contains("nothing"));

    let workers = cli.run("worker list --online");
    assert!(count(&workers) >= 2, "{workers:#}");
    cli.run("file distribution destroy --name d");
    cli.run("file repository destroy --name f");
    cli.run("orphan cleanup --protection-time 0");
    assert_eq!(cli.run("file content list"), json!([]));
    assert_eq!(cli.run("artifact list"), json!([]));

    let before = count(&cli.run("task list --limit 1000 --state completed"));
    assert!(before > 5, "{before}");
    cli.run("task purge --finished-before 2100-01-01 --state completed --state canceled");
    let after = count(&cli.run("task list --limit 1000 --state completed"));
    assert!(after <= 1, "{after} of {before} are left");
}
