//! Postgres away, and workers that fall silent with locks in their hands.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

#[macro_use]
mod support;

use std::time::{Duration, Instant};

use entities::db;
use entities::settings::WorkerStyle;
use entities::task::TaskState;
use sea_orm::{ConnectionTrait, TransactionTrait};
use support::tasks::Nap;
use support::{Bench, TTL};
use tasking::process::{ProcessKind, Registration};
use uuid::Uuid;

in_both_styles!(
    a_restart_of_postgres_costs_no_task_and_no_process,
    a_worker_stops_its_task_before_anybody_may_give_it_up,
    a_silent_worker_that_holds_locks_is_given_up_nevertheless,
    what_a_killed_worker_has_left_on_the_disk_is_removed,
);

async fn count(bench: &Bench, from: &str) -> i64 {
    let sql = format!("SELECT count(*) AS count FROM {from}");
    let row = bench.pulp.db.query_one_raw(db::sql(&sql, [])).await.unwrap();
    row.unwrap().try_get("", "count").unwrap()
}

async fn a_restart_of_postgres_costs_no_task_and_no_process(style: WorkerStyle) {
    let mut bench = Bench::busy(style, 2).await;
    let running = bench.dispatch(&Nap::of(3000).alone_on("a")).await;
    let ending = bench.dispatch(&Nap::of(1000).alone_on("b")).await;
    let mut ids = vec![running, ending];
    for number in 0..10 {
        ids.push(bench.dispatch(&Nap::of(10).alone_on(&format!("{}", number % 2))).await);
    }
    bench.reaches(running, TaskState::Running).await;
    bench.reaches(ending, TaskState::Running).await;
    // Their bodies use the database no more.
    support::until("both report", async || count(&bench, "progress_report").await == 2).await;
    bench.servers.stop_postgres().await;
    let stopped = chrono::Utc::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let started = chrono::Utc::now();
    bench.servers.start_postgres().await;
    for task in bench.all_final(&ids).await {
        assert_eq!(task.state, TaskState::Completed, "{:?}", task.error);
        let away = |time: chrono::DateTime<chrono::Utc>| time > stopped && time < started;
        assert!(!task.started_at.is_some_and(away) && !task.finished_at.is_some_and(away), "{task:?}");
    }
    let alive = "process WHERE kind = 'worker' AND gone_at IS NULL";
    assert_eq!(count(&bench, alive).await, 2, "nobody was given up");
    bench.stop().await;
}

async fn a_worker_stops_its_task_before_anybody_may_give_it_up(style: WorkerStyle) {
    let mut bench = Bench::busy(style, 1).await;
    let directory = bench.pulp.settings.working_directory.join("worker-0");
    let running = bench.dispatch(&Nap::of(60_000).alone_on("a")).await;
    bench.reaches(running, TaskState::Running).await;
    let place = directory.join(running.to_string());
    support::until("the body runs", async || place.join("file").exists()).await;
    // It uses the database no more.
    support::until("it reports", async || count(&bench, "progress_report").await == 1).await;
    let behind = bench.dispatch(&Nap::of(0).alone_on("a")).await;
    bench.servers.stop_postgres().await;
    let away = Instant::now();
    // Its directory goes with the body.
    support::until("the task is stopped", async || !place.exists()).await;
    println!("without a database the task is stopped after {:?}", away.elapsed());
    assert!(away.elapsed() > Duration::from_secs(3) && away.elapsed() < Duration::from_secs(6));
    bench.servers.start_postgres().await;
    let error = bench.reaches(running, TaskState::Failed).await.error.unwrap();
    assert!(error["reason"].as_str().unwrap().contains("could not reach the database"), "{error}");
    bench.reaches(behind, TaskState::Completed).await;
    bench.stop().await;
}

async fn a_silent_worker_that_holds_locks_is_given_up_nevertheless(style: WorkerStyle) {
    let mut bench = Bench::of(style).await;
    let registration =
        Registration::start(&bench.pulp, ProcessKind::Worker, "silent", &["test.nap"], TTL).await.unwrap();
    let id = registration.id();
    let task = bench.dispatch(&Nap::of(0).alone_on("a")).await;
    let sql = "UPDATE task SET state = 'running', worker_id = $2, claim_token = $3, started_at = now()
               WHERE pulp_id = $1";
    let values = [task.into(), id.into(), Uuid::new_v4().into()];
    bench.pulp.db.execute_raw(db::sql(sql, values)).await.unwrap();
    let session = db::connect_with(&bench.pulp.settings, &id.to_string(), 1, &[]).await.unwrap();
    let held = session.begin().await.unwrap();
    let sql = "SELECT 1 AS one FROM task WHERE pulp_id = $1 FOR UPDATE";
    held.query_one_raw(db::sql(sql, [task.into()])).await.unwrap();
    let sql = "UPDATE process SET versions = '{}' WHERE pulp_id = $1";
    held.execute_raw(db::sql(sql, [id.into()])).await.unwrap();
    // Stopped: it beats no more, and its transaction stays open.
    drop(registration);
    let behind = bench.dispatch(&Nap::of(0).alone_on("a")).await;
    bench.begin(1);
    let error = bench.reaches(task, TaskState::Failed).await.error.unwrap();
    assert_eq!(error["reason"], "Worker has gone missing.");
    held.commit().await.unwrap_err();
    bench.reaches(behind, TaskState::Completed).await;
    bench.stop().await;
}

async fn what_a_killed_worker_has_left_on_the_disk_is_removed(style: WorkerStyle) {
    let bench = Bench::of(style).await;
    let sql = "INSERT INTO process (pulp_id, kind, name, gone_at, style)
               SELECT gen_random_uuid(), 'worker', name, gone_at, 'STYLE'
               FROM (VALUES ('killed', now()), ('alive', NULL), ('alive', now())) AS processes (name, gone_at)";
    let sql = sql.replace("STYLE", if style == WorkerStyle::Redis { "redis" } else { "postgres" });
    bench.pulp.db.execute_unprepared(&sql).await.unwrap();
    let root = &bench.pulp.settings.working_directory;
    for name in ["killed", "alive", "somebody-else"] {
        std::fs::create_dir_all(root.join(name).join("task")).unwrap();
    }
    let worker = bench.worker("w");
    support::until("it is removed", async || !root.join("killed").exists()).await;
    bench.shutdown.graceful();
    worker.await.unwrap().unwrap();
    assert!(root.join("alive").exists() && root.join("somebody-else").exists());
}
