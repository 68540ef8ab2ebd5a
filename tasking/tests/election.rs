//! Who leads: of many that stand one does, and the others leave no trace.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

mod support;

use std::time::{Duration, Instant};

use deadpool_redis::redis::cmd;
use entities::db;
use entities::task::TaskState;
use sea_orm::ConnectionTrait;
use support::tasks::Nap;
use support::{Bench, LEASE, until};
use tasking::Shutdown;
use tasking::resource_manager::{Outcome, Standby};

/// Everything that a manager could have written, but for the leader's beats.
async fn written(bench: &Bench) -> Vec<String> {
    let sql = "SELECT 'process ' || process::text AS line FROM process
               UNION ALL SELECT 'leader ' || leader::text FROM leader
               UNION ALL SELECT 'task ' || task::text FROM task ORDER BY line";
    let rows = bench.pulp.db.query_all_raw(db::sql(sql, [])).await.unwrap();
    let mut lines: Vec<String> = rows.iter().map(|row| row.try_get("", "line").unwrap()).collect();
    let mut redis = bench.redis().await;
    let mut keys: Vec<String> = cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
    keys.sort();
    for key in keys {
        let value: Vec<u8> = cmd("DUMP").arg(&key).query_async(&mut redis).await.unwrap();
        lines.push(format!("{key} {value:?}"));
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_managers_one_leads_and_the_others_leave_no_trace() {
    let bench = Bench::start().await;
    let stop = Shutdown::new();
    let mut managers: Vec<_> = (0..6).map(|_| bench.manager_with(Standby::Exit, stop.clone())).collect();
    until("all but one have ended", async || {
        managers.iter().filter(|manager| manager.is_finished()).count() == 5
    })
    .await;
    let leader = managers.iter().position(|manager| !manager.is_finished()).unwrap();
    let leader = managers.remove(leader);
    let check = |outcome: Outcome| {
        assert_eq!(outcome.exit_status(), 75);
        let Outcome::Taken { holder, remaining } = outcome else { panic!("{outcome:?}") };
        assert_eq!(holder, tasking::process::default_name());
        assert!(remaining <= LEASE && remaining > Duration::ZERO, "{remaining:?}");
    };
    for manager in managers {
        check(manager.await.unwrap().unwrap());
    }
    until("somebody leads", async || bench.epoch().await == 1).await;

    let before = written(&bench).await;
    for _ in 0..3 {
        check(bench.manager().await.unwrap().unwrap());
    }
    assert_eq!(written(&bench).await, before);
    stop.graceful();
    assert_eq!(leader.await.unwrap().unwrap(), Outcome::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_epoch_was_taken_by_one_without_the_lease_leads_anew() {
    let bench = Bench::start().await;
    let leader = bench.manager_with(Standby::Exit, bench.shutdown.clone());
    let worker = bench.worker("w");
    let id = bench.dispatch(&Nap::of(0)).await;
    bench.reaches(id, TaskState::Completed).await;
    // By a manager that held the lease before, and was stopped until now.
    let sql = "SELECT become_leader(gen_random_uuid(), 'late', '{}', 1)";
    bench.pulp.db.execute_raw(db::sql(sql, [])).await.unwrap();
    assert_eq!(bench.epoch().await, 2);
    let id = bench.dispatch(&Nap::of(0)).await;
    bench.reaches(id, TaskState::Completed).await;
    assert_eq!(bench.epoch().await, 3);
    bench.shutdown.graceful();
    assert_eq!(leader.await.unwrap().unwrap(), Outcome::Stopped);
    worker.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_waits_as_long_as_it_is_told_and_takes_over_at_once() {
    let bench = Bench::start().await;
    let stop = Shutdown::new();
    let leader = bench.manager_with(Standby::Exit, stop.clone());
    until("somebody leads", async || bench.epoch().await == 1).await;

    let began = Instant::now();
    let patient = bench.manager_with(Standby::For(Duration::from_secs(1)), bench.shutdown.clone());
    let ended = tokio::time::timeout(Duration::from_secs(20), patient).await;
    let outcome = ended.expect("it does not lead").unwrap().unwrap();
    assert!(matches!(outcome, Outcome::Taken { .. }), "{outcome:?}");
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(3), "{waited:?}");

    let before = written(&bench).await;
    let waiting = bench.manager_with(Standby::Wait, bench.shutdown.clone());
    tokio::time::sleep(LEASE).await;
    assert_eq!(written(&bench).await, before, "waiting leaves no trace");
    assert!(!waiting.is_finished());
    let worker = bench.worker("w");
    let stopped = Instant::now();
    stop.graceful();
    leader.await.unwrap().unwrap();
    let id = bench.dispatch(&Nap::of(0)).await;
    bench.reaches(id, TaskState::Completed).await;
    assert_eq!(bench.epoch().await, 2);
    println!("after a clean stop a waiting standby has led a task to its end in {:?}", stopped.elapsed());
    assert!(stopped.elapsed() < LEASE + Duration::from_secs(1));
    bench.shutdown.graceful();
    assert_eq!(waiting.await.unwrap().unwrap(), Outcome::Stopped);
    worker.await.unwrap().unwrap();
}
