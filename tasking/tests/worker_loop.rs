//! The life of a task, on real servers: dispatch, run, end, cancel.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

#[macro_use]
mod support;

use std::time::{Duration, Instant};

use entities::Error;
use entities::settings::WorkerStyle;
use entities::task::TaskState;
use support::tasks::{Fail, Nap, Panic, Unknown};
use support::{Bench, stolen, until};
use uuid::Uuid;

in_both_styles!(
    tasks_end_as_their_bodies_do,
    a_task_starts_within_milliseconds,
    a_waiting_task_is_canceled_at_once_and_a_running_one_is_stopped,
    exclusive_tasks_follow_each_other_and_shared_ones_run_together,
    a_short_task_never_waits_behind_a_long_one,
);

async fn tasks_end_as_their_bodies_do(style: WorkerStyle) {
    let bench = Bench::busy(style, 1).await;
    let good = bench.dispatch(&Nap::of(1)).await;
    let task = bench.reaches(good, TaskState::Completed).await;
    assert!(task.unblocked_at <= task.started_at && task.started_at < task.finished_at);
    assert!(task.error.is_none());

    let bad = bench.dispatch(&Fail {}).await;
    let error = bench.reaches(bad, TaskState::Failed).await.error.unwrap();
    assert_eq!(error["description"], "cannot write http://host/file: the disk is  full");
    assert_eq!(error["traceback"], "cannot write http://host/file\nthe disk is  full", "and no stack");

    let ugly = bench.dispatch(&Panic {}).await;
    let error = bench.reaches(ugly, TaskState::Failed).await.error.unwrap();
    assert_eq!(error["description"], "The task panicked: this should not happen");

    let unknown = bench.dispatch(&Unknown {}).await;
    let error = bench.reaches(unknown, TaskState::Failed).await.error.unwrap();
    assert_eq!(error["reason"], "No plugin of any worker has a task test.unknown.");

    let left = std::fs::read_dir(bench.pulp.settings.working_directory.join("worker-0")).unwrap().count();
    assert_eq!(left, 0, "working directories are removed");
    bench.stop().await;
}

async fn a_task_starts_within_milliseconds(style: WorkerStyle) {
    let bench = Bench::busy(style, 1).await;
    let first = bench.dispatch(&Nap::of(0)).await;
    bench.reaches(first, TaskState::Completed).await;
    let mut waits = Vec::new();
    for _ in 0..30 {
        let stolen_before = stolen();
        let id = bench.dispatch(&Nap::of(0)).await;
        let task = bench.reaches(id, TaskState::Completed).await;
        let wait = (task.started_at.unwrap() - task.pulp_created).to_std().unwrap();
        waits.push(wait.saturating_sub(stolen() - stolen_before));
    }
    waits.sort();
    println!("created to started: median {:?}, worst {:?}", waits[15], waits[29]);
    assert!(waits[15] < Duration::from_millis(100), "{waits:?}");

    let started = Instant::now();
    let mut ids = Vec::new();
    for number in 0..300 {
        ids.push(bench.dispatch(&Nap::of(0).alone_on(&format!("{}", number % 50))).await);
    }
    bench.all_final(&ids).await;
    println!("300 tasks in {:?}", started.elapsed());
    bench.stop().await;
}

async fn a_waiting_task_is_canceled_at_once_and_a_running_one_is_stopped(style: WorkerStyle) {
    let bench = Bench::busy(style, 2).await;
    let running = bench.dispatch(&Nap::of(60_000).alone_on("a")).await;
    let waiting = bench.dispatch(&Nap::of(0).alone_on("a")).await;
    let behind = bench.dispatch(&Nap::of(0).alone_on("a")).await;
    bench.reaches(running, TaskState::Running).await;

    let canceled = bench.dispatcher.cancel(waiting).await.unwrap();
    assert_eq!(canceled.state, TaskState::Canceled);
    assert!(canceled.started_at.is_none());

    until("the body reports", async || reports(&bench, running).await == ["running"]).await;
    let told = Instant::now();
    let state = bench.dispatcher.cancel(running).await.unwrap().state;
    assert!(matches!(state, TaskState::Canceling | TaskState::Canceled), "{state:?}");
    let ended = bench.reaches(running, TaskState::Canceled).await;
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
    assert!(ended.error.is_none());
    assert_eq!(reports(&bench, running).await, ["canceled"]);

    bench.reaches(behind, TaskState::Completed).await;
    assert!(matches!(bench.dispatcher.cancel(behind).await, Err(Error::Conflict(_))));
    assert!(matches!(bench.dispatcher.cancel(Uuid::new_v4()).await, Err(Error::NotFound { .. })));
    bench.stop().await;
}

async fn reports(bench: &Bench, task: Uuid) -> Vec<String> {
    use entities::progress_report::{Column, Entity};
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
    let reports = Entity::find().filter(Column::TaskId.eq(task)).all(&bench.pulp.db).await.unwrap();
    reports.into_iter().map(|report| report.state).collect()
}

async fn exclusive_tasks_follow_each_other_and_shared_ones_run_together(style: WorkerStyle) {
    let bench = Bench::busy(style, 3).await;
    let mut exclusive = Vec::new();
    for _ in 0..6 {
        exclusive.push(bench.dispatch(&Nap::of(20).alone_on("x")).await);
    }
    let tasks = bench.all_final(&exclusive).await;
    for pair in tasks.windows(2) {
        assert!(pair[0].finished_at <= pair[1].started_at, "they overlap or are out of order");
    }
    let mut shared = Vec::new();
    for _ in 0..3 {
        shared.push(bench.dispatch(&Nap::of(1000).sharing("y")).await);
    }
    let after = bench.dispatch(&Nap::of(0).alone_on("y")).await;
    let tasks = bench.all_final(&shared).await;
    let last_start = tasks.iter().map(|task| task.started_at).max().unwrap();
    let first_end = tasks.iter().map(|task| task.finished_at).min().unwrap();
    assert!(last_start < first_end, "three workers run three tasks that share");
    let after = bench.reaches(after, TaskState::Completed).await;
    assert!(after.started_at >= tasks.iter().map(|task| task.finished_at).max().unwrap());
    bench.stop().await;
}

async fn a_short_task_never_waits_behind_a_long_one(style: WorkerStyle) {
    let bench = Bench::busy(style, 2).await;
    let long = bench.dispatch(&Nap::of(30_000).alone_on("long")).await;
    let blocked = bench.dispatch(&Nap::of(0).alone_on("long")).await;
    let mut short = Vec::new();
    for number in 0..40 {
        short.push(bench.dispatch(&Nap::of(5).alone_on(&format!("{}", number % 8))).await);
    }
    for task in bench.all_final(&short).await {
        assert_eq!(task.state, TaskState::Completed);
    }
    assert_eq!(bench.task(long).await.state, TaskState::Running);
    assert_eq!(bench.task(blocked).await.state, TaskState::Waiting);
    bench.dispatcher.cancel(long).await.unwrap();
    bench.reaches(blocked, TaskState::Completed).await;
    bench.stop().await;
}
