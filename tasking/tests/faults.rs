//! Things that break while tasks run: Redis, leaders, workers.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

#[macro_use]
mod support;

use std::time::{Duration, Instant};

use deadpool_redis::redis::cmd;
use entities::settings::WorkerStyle;
use entities::task::TaskState;
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait};
use support::tasks::Nap;
use support::{Bench, LEASE, TTL, until};
use tasking::process::{ProcessKind, Registration};
use tasking::resource_manager::Outcome;
use tasking::{Shutdown, cleanup};

in_both_styles!(
    the_task_of_a_worker_that_vanishes_fails_and_what_it_had_not_begun_is_run_by_others,
    a_label_is_refused_while_its_holder_lives_and_free_afterwards,
    a_worker_that_is_asked_to_stop_finishes_its_task_or_aborts_it,
    a_restart_of_postgres_sessions_stops_nobody,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flushing_redis_loses_nothing() {
    let bench = Bench::with_workers(2).await;
    let mut ids = Vec::new();
    for number in 0..60 {
        ids.push(bench.dispatch(&Nap::of(10).alone_on(&format!("{}", number % 3))).await);
        if number % 20 == 10 {
            let () = cmd("FLUSHALL").query_async(&mut bench.redis().await).await.unwrap();
        }
    }
    for task in bench.all_final(&ids).await {
        assert_eq!(task.state, TaskState::Completed, "{:?}", task.error);
    }
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_are_accepted_without_redis_and_run_when_it_returns() {
    let mut bench = Bench::with_workers(2).await;
    let running = bench.dispatch(&Nap::of(500)).await;
    bench.reaches(running, TaskState::Running).await;
    bench.servers.stop_redis();
    let mut ids = Vec::new();
    let started = Instant::now();
    for _ in 0..20 {
        ids.push(bench.dispatch(&Nap::of(1).alone_on("a")).await);
    }
    assert!(started.elapsed() < Duration::from_secs(2), "a stopped Redis delays nobody");
    bench.reaches(running, TaskState::Completed).await;
    assert_eq!(bench.task(ids[0]).await.state, TaskState::Waiting);
    bench.servers.start_redis().await;
    for task in bench.all_final(&ids).await {
        assert_eq!(task.state, TaskState::Completed, "{:?}", task.error);
    }
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_manager_ends_and_leaves_no_trace() {
    let bench = Bench::with_workers(0).await;
    until("somebody leads", async || bench.epoch().await == 1).await;
    let processes = async || entities::process::Entity::find().count(&bench.pulp.db).await.unwrap();
    until("the leader is listed", async || processes().await == 1).await;
    let outcome = bench.manager().await.unwrap().unwrap();
    assert_eq!(outcome.exit_status(), 75);
    let Outcome::Taken { holder, remaining } = outcome else { panic!("{outcome:?}") };
    assert_eq!(holder, tasking::process::default_name());
    assert!(remaining <= LEASE && remaining > Duration::ZERO);
    assert_eq!((bench.epoch().await, processes().await), (1, 1));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_manager_takes_over_when_the_leader_vanishes() {
    let mut bench = Bench::start().await;
    let leader = bench.manager();
    let worker = bench.worker("w");
    let running = bench.dispatch(&Nap::of(3000).alone_on("a")).await;
    bench.reaches(running, TaskState::Running).await;
    let behind = bench.dispatch(&Nap::of(0).alone_on("a")).await;
    let other = bench.dispatch(&Nap::of(0)).await;
    leader.abort();
    let killed = Instant::now();
    bench.manager_that_restarts();
    until("another leads", async || bench.epoch().await == 2).await;
    assert!(killed.elapsed() < LEASE + Duration::from_secs(2), "{:?}", killed.elapsed());
    for id in [running, behind, other] {
        bench.reaches(id, TaskState::Completed).await;
    }
    let (first, second) = (bench.task(running).await, bench.task(behind).await);
    assert!(first.finished_at <= second.started_at);
    bench.stop().await;
    worker.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_finds_another_one_ends() {
    let bench = Bench::start().await;
    let leader = bench.manager();
    until("it leads", async || bench.epoch().await == 1).await;
    let () = cmd("SET")
        .arg(format!("{}resource-manager:lease", bench.pulp.settings.redis_key_prefix))
        .arg("token:other@host")
        .query_async(&mut bench.redis().await)
        .await
        .unwrap();
    let outcome = tokio::time::timeout(Duration::from_secs(10), leader).await.unwrap();
    assert_eq!(outcome.unwrap().unwrap(), Outcome::Deposed);
}

async fn the_task_of_a_worker_that_vanishes_fails_and_what_it_had_not_begun_is_run_by_others(
    style: WorkerStyle,
) {
    let mut bench = Bench::of(style).await;
    bench.begin(0);
    let lost = bench.worker("lost");
    let running = bench.dispatch(&Nap::of(60_000).alone_on("a")).await;
    bench.reaches(running, TaskState::Running).await;
    let behind = bench.dispatch(&Nap::of(0).alone_on("a")).await;
    lost.abort();
    let vanished = Instant::now();
    let worker = bench.worker("other");
    let error = bench.reaches(running, TaskState::Failed).await.error.unwrap();
    assert_eq!(error["reason"], "Worker has gone missing.");
    assert!(vanished.elapsed() > TTL / 2, "nobody is given up early");
    bench.reaches(behind, TaskState::Completed).await;
    bench.stop().await;
    worker.await.unwrap().unwrap();
}

async fn a_label_is_refused_while_its_holder_lives_and_free_afterwards(style: WorkerStyle) {
    let bench = Bench::of(style).await;
    let start = async || Registration::start(&bench.pulp, ProcessKind::Worker, "w", &[], TTL).await;
    let first = start().await.unwrap();
    let refusal = start().await.unwrap_err().to_string();
    assert!(refusal.contains("called w is running"), "{refusal}");
    first.stop().await.unwrap();
    let second = start().await.unwrap();
    drop(second);
    start().await.unwrap();
}

async fn a_worker_that_is_asked_to_stop_finishes_its_task_or_aborts_it(style: WorkerStyle) {
    let mut bench = Bench::of(style).await;
    bench.begin(0);
    let patient = Shutdown::new();
    let worker = bench.worker_until("patient", patient.clone(), false);
    let task = bench.dispatch(&Nap::of(300)).await;
    bench.reaches(task, TaskState::Running).await;
    patient.graceful();
    worker.await.unwrap().unwrap();
    assert_eq!(bench.task(task).await.state, TaskState::Completed);

    let hasty = Shutdown::new();
    let worker = bench.worker_until("hasty", hasty.clone(), false);
    let task = bench.dispatch(&Nap::of(60_000)).await;
    bench.reaches(task, TaskState::Running).await;
    hasty.within(Duration::from_millis(100));
    worker.await.unwrap().unwrap();
    let task = bench.task(task).await;
    assert_eq!(task.error.unwrap()["reason"], "Aborted during worker shutdown.");

    let ids = [bench.dispatch(&Nap::of(1)).await, bench.dispatch(&Nap::of(1)).await];
    bench.worker_until("burst", Shutdown::new(), true).await.unwrap().unwrap();
    for task in bench.all_final(&ids).await {
        assert_eq!(task.state, TaskState::Completed);
    }
    bench.stop().await;
}

async fn a_restart_of_postgres_sessions_stops_nobody(style: WorkerStyle) {
    let bench = Bench::busy(style, 2).await;
    let mut ids = Vec::new();
    for number in 0..40 {
        ids.push(bench.dispatch(&Nap::of(10).alone_on(&format!("{}", number % 4))).await);
        if number % 10 == 5 {
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
                         AND application_name <> 'test'";
            bench.pulp.db.execute_unprepared(sql).await.unwrap();
        }
    }
    bench.all_final(&ids).await;
    let first = bench.task(ids[0]).await;
    assert!(first.state.is_final());
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_task_left_half_made_is_removed() {
    let bench = Bench::start().await;
    let db = &bench.pulp.db;
    let sql = "INSERT INTO repository (pulp_id, pulp_domain_id, pulp_type, name)
                   SELECT gen_random_uuid(), pulp_id, 'file.file', 'r' FROM domain;
               INSERT INTO content (pulp_id, pulp_domain_id, pulp_type)
                   SELECT gen_random_uuid(), pulp_id, 'file.file' FROM domain, generate_series(1, 20);
               INSERT INTO repository_version (pulp_id, repository_id, number, complete)
                   SELECT gen_random_uuid(), pulp_id, 1, true FROM repository;
               INSERT INTO repository_version (pulp_id, repository_id, number, task_id)
                   SELECT gen_random_uuid(), pulp_id, 2, gen_random_uuid() FROM repository;
               INSERT INTO repository_content (repository_id, content_id, version_added, version_removed)
                   SELECT repository.pulp_id, content.pulp_id, 1, 2 FROM repository, content;
               INSERT INTO repository_content (repository_id, content_id, version_added)
                   SELECT repository.pulp_id, content.pulp_id, 2 FROM repository, content;";
    db.execute_unprepared(sql).await.unwrap();
    cleanup::incomplete(db, cleanup::Of::EndedTasks).await.unwrap();
    use entities::{repository_content, repository_version};
    use sea_orm::{ColumnTrait, QueryFilter};
    let versions = repository_version::Entity::find()
        .filter(repository_version::Column::Complete.eq(false))
        .count(db)
        .await
        .unwrap();
    assert_eq!(versions, 0);
    let members = repository_content::Entity::find().all(db).await.unwrap();
    assert_eq!(members.len(), 20);
    assert!(members.iter().all(|member| member.version_added == 1 && member.version_removed.is_none()));
}
