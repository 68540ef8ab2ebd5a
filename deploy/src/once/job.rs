//! The main job: mirror, version, publish, distribute, download, compare.

use std::sync::Arc;

use anyhow::Context;
use entities::checksum::{Algorithm, Digester};
use futures_util::{StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::client::{Client, text};
use super::report::Report;
use super::sample::{Sample, SampleFile};

/// Downloads at the same time.
const CONCURRENCY: usize = 8;

/// How everything is called.
const NAME: &str = "once";

/// Does the job.
///
/// # Errors
/// If a step fails, or what comes out is not what went in.
pub(crate) async fn run(
    client: &Client,
    content_url: &str,
    manifest_url: &str,
    sample: &Sample,
    report: &mut Report,
) -> anyhow::Result<()> {
    let count = sample.files.len() as u64;
    let (remote, repository) = report
        .step("create remote and repository", None, async |_| {
            let body = json!({"name": NAME, "url": manifest_url, "policy": "immediate"});
            let remote = client.post("remotes/file/file/", body).await?;
            let repository = client.post("repositories/file/file/", json!({"name": NAME})).await?;
            anyhow::Ok((href(&remote)?, href(&repository)?))
        })
        .await?;

    let sync = format!("{repository}sync/");
    let version = report
        .step("sync", Some(count), async |bar| {
            let task = client.run(&sync, json!({"remote": remote}), |task| show(task, bar)).await?;
            let version = created(&task)?;
            let state = client.get(&version).await?;
            let present = &state["content_summary"]["present"]["file.file"]["count"];
            anyhow::ensure!(present.as_u64() == Some(count), "{version} holds {present} files, not {count}");
            Ok(version)
        })
        .await?;

    report
        .step("sync again, nothing to do", None, async |_| {
            client.run(&sync, json!({"remote": remote}), |_| {}).await?;
            let latest = client.get(&repository).await?;
            let latest = text(&latest, "latest_version_href")?;
            anyhow::ensure!(latest == version, "a sync without changes made {latest}");
            Ok(())
        })
        .await?;

    let publication = report
        .step("publish", None, async |_| {
            let body = json!({"repository_version": version});
            let task = client.run("/pulp/api/v3/publications/file/file/", body, |_| {}).await?;
            created(&task)
        })
        .await?;

    let base_url = report
        .step("distribute", None, async |_| {
            let body = json!({"name": NAME, "base_path": NAME, "publication": publication});
            let task = client.run("/pulp/api/v3/distributions/file/file/", body, |_| {}).await?;
            let distribution = client.get(&created(&task)?).await?;
            let base_url = text(&distribution, "base_url")?;
            // Without CONTENT_ORIGIN it is a path.
            Ok(if base_url.starts_with('/') { format!("{content_url}{base_url}") } else { base_url.into() })
        })
        .await?;
    let base_url: Arc<reqwest::Url> = Arc::new(base_url.parse().context("the base URL is no URL")?);

    report
        .step("download and compare", Some(count), async |bar| {
            let checks = sample.files.iter().map(|file| async {
                check(client, &base_url, file).await?;
                bar.inc(1);
                anyhow::Ok(())
            });
            futures_util::stream::iter(checks).buffer_unordered(CONCURRENCY).try_collect::<()>().await
        })
        .await
}

/// Downloads one file and compares it with what was read from the source.
async fn check(client: &Client, base: &reqwest::Url, file: &SampleFile) -> anyhow::Result<()> {
    let mut url = base.clone();
    let mut path = url.path_segments_mut().ok().context("the base URL has no path")?;
    path.pop_if_empty().extend(file.path.split('/'));
    drop(path);
    let mut answer = client.download(url.clone()).await?;
    let mut digester = Digester::new(&[Algorithm::Sha256].into());
    while let Some(chunk) = answer.chunk().await.with_context(|| format!("{url} breaks off"))? {
        digester.update(&chunk);
    }
    let size = digester.size();
    let digests = digester.finish();
    let sha256 = digests.get(Algorithm::Sha256).unwrap_or_default();
    anyhow::ensure!(
        sha256 == file.sha256 && size == file.size,
        "{url} is not what was in the source: {size} bytes with SHA-256 {sha256}, expected {} bytes with {}",
        file.size,
        file.sha256
    );
    Ok(())
}

fn href(object: &Value) -> anyhow::Result<String> {
    Ok(text(object, "pulp_href")?.to_owned())
}

/// The first resource that a task has created.
fn created(task: &Value) -> anyhow::Result<String> {
    let href = task["created_resources"][0].as_str();
    Ok(href.with_context(|| format!("the task has created nothing: {task}"))?.to_owned())
}

/// Shows the progress report that has come furthest.
fn show(task: &Value, bar: &ProgressBar) {
    let reports = task["progress_reports"].as_array().into_iter().flatten();
    if let Some(done) = reports.filter_map(|report| report["done"].as_u64()).max() {
        bar.set_position(done);
    }
}
