//! Workers that die at their start, or soon after it, keep no task from those that live.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

#[macro_use]
mod support;

use std::time::{Duration, Instant};

use entities::db;
use entities::settings::WorkerStyle;
use entities::task::TaskState;
use sea_orm::ConnectionTrait;
use support::tasks::Nap;
use support::{Bench, until};

in_both_styles!(a_worker_that_cannot_start_is_not_listed);

/// How many live workers have a name like this.
async fn listed(bench: &Bench, pattern: &str) -> i64 {
    let sql = "SELECT count(*) AS n FROM process WHERE kind = 'worker' AND gone_at IS NULL AND name LIKE $1";
    let row = bench.pulp.db.query_one_raw(db::sql(sql, [pattern.into()])).await.unwrap();
    row.unwrap().try_get("", "n").unwrap()
}

/// Runs tasks one after the other; none may take long.
async fn prompt(bench: &Bench, tasks: u32) {
    for number in 0..tasks {
        let since = Instant::now();
        let task = bench.dispatch(&Nap::of(1)).await;
        bench.reaches(task, TaskState::Completed).await;
        assert!(since.elapsed() < Duration::from_millis(900), "task {number}: {:?}", since.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_died_at_their_start_get_no_task_while_others_are_idle() {
    let long = |settings: &mut entities::Settings| settings.worker_ttl = Duration::from_secs(60);
    let mut bench = Bench::with_settings_of(WorkerStyle::Redis, long).await;
    bench.begin(2);
    prompt(&bench, 4).await;

    // Registered, and dead before they have asked for work. The leader reads such rows at its next sweep.
    let sql = "WITH ghost AS (INSERT INTO process (pulp_id, kind, name, versions, tasks, style)
                   SELECT gen_random_uuid(), kind, 'ghost-' || number, versions, tasks, style
                   FROM process, generate_series(1, 5) AS number WHERE name = 'worker-0' RETURNING pulp_id)
               INSERT INTO process_beat (process_id) SELECT pulp_id FROM ghost";
    bench.pulp.db.execute_unprepared(sql).await.unwrap();
    tokio::time::sleep(Duration::from_millis(3500)).await;
    prompt(&bench, 4).await;

    // Dead right after they have asked.
    for number in 0..3 {
        let name = format!("brief-{number}");
        let ghost = bench.worker(&name);
        until("it is registered", async || listed(&bench, &name).await == 1).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        ghost.abort();
    }
    prompt(&bench, 4).await;
    assert_eq!(listed(&bench, "brief-%").await + listed(&bench, "ghost-%").await, 8);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_taken_from_a_dead_worker_after_a_second() {
    let long = |settings: &mut entities::Settings| settings.worker_ttl = Duration::from_secs(60);
    let mut bench = Bench::with_settings_of(WorkerStyle::Redis, long).await;
    bench.begin(1);
    prompt(&bench, 1).await;
    // The other one is busy, so the dead ones are all that is idle.
    let busy = bench.dispatch(&Nap::of(2000)).await;
    bench.reaches(busy, TaskState::Running).await;
    for number in 0..2 {
        let name = format!("brief-{number}");
        let ghost = bench.worker(&name);
        until("it is registered", async || listed(&bench, &name).await == 1).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        ghost.abort();
    }
    let task = bench.dispatch(&Nap::of(1)).await;
    bench.reaches(busy, TaskState::Completed).await;
    let free = Instant::now();
    bench.reaches(task, TaskState::Completed).await;
    assert!(free.elapsed() < Duration::from_millis(1700), "{:?}", free.elapsed());
    bench.stop().await;
}

async fn a_worker_that_cannot_start_is_not_listed(style: WorkerStyle) {
    let mut bench = Bench::of(style).await;
    let long = "long".repeat(75);
    let error = bench.worker(&long).await.unwrap().unwrap_err();
    assert!(format!("{error:#}").contains("File name too long"), "{error:#}");
    assert_eq!(listed(&bench, "long%").await, 0);

    let mut settings = (*bench.pulp.settings).clone();
    settings.working_directory = bench.servers.path().join("a-file");
    std::fs::write(&settings.working_directory, "").unwrap();
    bench.pulp.settings = std::sync::Arc::new(settings);
    let error = bench.worker("one").await.unwrap().unwrap_err();
    assert!(format!("{error:#}").contains("WORKING_DIRECTORY"), "{error:#}");
    assert_eq!(listed(&bench, "one").await, 0);
    bench.stop().await;
}
