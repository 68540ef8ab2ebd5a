//! The fault test, as long as the test command can bear. `fault-test` runs it for longer and more often.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::time::Duration;

use integration_tests::faults::{Options, Style, run};

/// Seconds of faults.
const SECONDS: u64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_is_kept_whatever_breaks() {
    kept(Style::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_is_kept_without_redis() {
    kept(Style::Postgres).await;
}

async fn kept(style: Style) {
    let seed = match std::env::var("FAULT_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => rand::random::<u32>().into(),
    };
    let run = tokio::spawn(run(Options { style, seed, duration: Duration::from_secs(SECONDS) }));
    // What a panic says is said again here, after the logs.
    let report = run.await.unwrap_or_else(|panic| panic!("seed {seed}: {panic}"));
    eprintln!("{}", report.line());
    assert!(report.violations.is_empty(), "seed {seed}: {:#}", report.json()["violations"]);
}
