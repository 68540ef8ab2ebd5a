//! What others put into Redis where the installation has its keys: it is removed, and tasks go on.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

mod support;

use std::time::{Duration, Instant};

use deadpool_redis::redis::cmd;
use entities::task::TaskState;
use support::tasks::Nap;
use support::{Bench, LEASE, until};

/// Runs a command of Redis; `{p}` stands for the prefix of the installation.
async fn redis(bench: &Bench, command: &str) {
    let mut words = command.split(' ').map(|word| word.replace("{p}", &bench.pulp.settings.redis_key_prefix));
    let mut call = cmd(&words.next().unwrap());
    for word in words {
        call.arg(word);
    }
    let () = call.query_async(&mut bench.redis().await).await.unwrap();
}

/// A task completes soon.
async fn runs(bench: &Bench, limit: Duration) {
    let since = Instant::now();
    let task = bench.dispatch(&Nap::of(1)).await;
    bench.reaches(task, TaskState::Completed).await;
    assert!(since.elapsed() < limit, "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_are_no_queues_are_removed_and_tasks_run() {
    let bench = Bench::with_workers(1).await;
    assert!(bench.pulp.settings.redis_key_prefix.ends_with(':'));
    runs(&bench, Duration::from_secs(30)).await;
    for command in [
        "SET {p}worker-0 x",
        "HSET {p}worker-0:processing x y",
        "SADD {p}resource-manager x",
        "SET {p}resource-manager:processing x",
        "HSET {p}resource-manager:lease x y",
    ] {
        redis(&bench, "DEL {p}worker-0").await;
        redis(&bench, &format!("DEL {}", command.split(' ').nth(1).unwrap())).await;
        redis(&bench, command).await;
        runs(&bench, Duration::from_secs(8)).await;
    }
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_would_outlast_its_holder_is_cut_down() {
    for lease in [
        "SET {p}resource-manager:lease garbage",
        "SET {p}resource-manager:lease 00000000-0000-4000-8000-000000000000:1@gone PX 3600000",
        "SADD {p}resource-manager:lease x",
    ] {
        let mut bench = Bench::start().await;
        redis(&bench, lease).await;
        let since = Instant::now();
        bench.begin(1);
        until("a manager leads", async || bench.epoch().await == 1).await;
        assert!(since.elapsed() < LEASE + Duration::from_secs(3), "{lease}: {:?}", since.elapsed());
        runs(&bench, Duration::from_secs(8)).await;
        bench.stop().await;
    }
}
