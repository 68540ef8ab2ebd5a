//! How long a sync of many small files takes, and how much memory the worker needs for it.
//!
//! `cargo build --release && PULPCORE=target/release/pulpcore cargo bench -p integration-tests --bench sync`;
//! `FILES` sets the number of files (10,000); `BASELINE` names another build, which is measured in turns with
//! this one, `ROUNDS` times (1). Postgres is durable. The upstream, Postgres, Redis and all of Pulp run on
//! the same machine. Prints a table, and last the time of a plain download of the same files by the same
//! number of connections: what no sync can beat.

use std::path::PathBuf;
use std::time::Instant;

use futures_util::{StreamExt, stream};
use integration_tests::{Pulp, Upstream, executable};
use serde_json::{Value, json};

/// Simultaneous downloads, as of a remote that does not say.
const CONNECTIONS: usize = 10;

#[tokio::main]
async fn main() {
    let files = number("FILES", 10_000);
    let upstream = Upstream::with_files(files).await;
    println!("{files} files; seconds from the request to the end of the task");
    println!(
        "| build | policy | first sync | again | again, without optimize | mirror | worker's peak memory, MiB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for _ in 0..number("ROUNDS", 1) {
        for policy in ["immediate", "on_demand"] {
            for (build, path) in executable::compared() {
                measure(&upstream, build, path, policy, files).await;
            }
        }
    }
    println!("plain download: {:.2} s", download(&upstream).await);
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

async fn measure(upstream: &Upstream, build: &str, executable: PathBuf, policy: &str, files: usize) {
    let pulp = Pulp::builder().executable(executable).workers(1).durable().start().await;
    let remote = json!({"name": "r", "url": upstream.url_of("PULP_MANIFEST"), "policy": policy});
    let remote = pulp.client.post("/pulp/api/v3/remotes/file/file/", &remote).await.expect(201);
    let repository = json!({"name": "r", "remote": remote["pulp_href"]});
    let repository = pulp.client.post("/pulp/api/v3/repositories/file/file/", &repository).await.expect(201);
    let href = repository["pulp_href"].as_str().expect("an href");
    let first = sync(&pulp, href, json!({})).await;
    let again = sync(&pulp, href, json!({})).await;
    let full = sync(&pulp, href, json!({"optimize": false})).await;
    let mirror = sync(&pulp, href, json!({"optimize": false, "mirror": true})).await;
    let version = pulp.client.get(&format!("{href}versions/1/")).await.expect(200);
    assert_eq!(version["content_summary"]["present"]["file.file"]["count"], files, "{version:#}");
    let worker = pulp.processes.iter().find(|process| process.name == "worker-1").expect("a worker");
    let peak = worker.memory("VmHWM");
    println!("| {build} | {policy} | {first:.2} | {again:.2} | {full:.2} | {mirror:.2} | {peak:.0} |");
}

async fn sync(pulp: &Pulp, repository: &str, body: Value) -> f64 {
    let began = Instant::now();
    let answer = pulp.client.post(&format!("{repository}sync/"), &body).await.expect(202);
    pulp.completed(answer).await;
    began.elapsed().as_secs_f64()
}

async fn download(upstream: &Upstream) -> f64 {
    let began = Instant::now();
    let client = reqwest::Client::new();
    let paths = upstream.paths();
    stream::iter(&paths)
        .map(|path| client.get(upstream.url_of(path)).send())
        .for_each_concurrent(CONNECTIONS, |answer| async {
            let answer = answer.await.expect("an answer");
            answer.bytes().await.expect("the bytes");
        })
        .await;
    began.elapsed().as_secs_f64()
}
