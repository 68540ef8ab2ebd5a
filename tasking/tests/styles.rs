//! The switch between the styles of tasking: nothing is lost by it, and workers of two styles are never alive
//! together.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

#[macro_use]
mod support;

use entities::settings::WorkerStyle;
use entities::task::TaskState;
use support::tasks::Nap;
use support::{Bench, TTL};
use tasking::process::{ProcessKind, Registration};

in_both_styles!(
    waiting_tasks_run_after_a_switch_to_the_other_style,
    a_worker_is_refused_while_one_of_the_other_style_lives,
    killed_workers_of_the_other_style_are_given_up,
);

fn other(style: WorkerStyle) -> WorkerStyle {
    match style {
        WorkerStyle::Redis => WorkerStyle::Postgres,
        WorkerStyle::Postgres => WorkerStyle::Redis,
    }
}

async fn waiting_tasks_run_after_a_switch_to_the_other_style(style: WorkerStyle) {
    let mut bench = Bench::with_settings(|settings| settings.worker_style = style).await;
    bench.begin(1);
    let running = bench.dispatch(&Nap::of(500).alone_on("a")).await;
    bench.reaches(running, TaskState::Running).await;
    let mut ids = Vec::new();
    for number in 0..30 {
        ids.push(bench.dispatch(&Nap::of(1).alone_on(&format!("{}", number % 3)).sharing("a")).await);
    }
    bench.rest().await;
    assert_eq!(bench.task(running).await.state, TaskState::Completed);
    assert_eq!(bench.task(ids[29]).await.state, TaskState::Waiting);
    // Nobody was told of this one.
    bench.switch(other(style)).await;
    ids.push(bench.dispatch(&Nap::of(1).alone_on("0")).await);
    bench.begin(2);
    let tasks = bench.all_final(&ids).await;
    assert!(tasks.iter().all(|task| task.state == TaskState::Completed));
    for (task, later) in tasks.iter().zip(&tasks[3..]) {
        assert!(task.finished_at <= later.started_at, "they overlap or are out of order");
    }
    // And back.
    bench.rest().await;
    let id = bench.dispatch(&Nap::of(1).alone_on("0")).await;
    bench.switch(style).await;
    bench.begin(1);
    bench.reaches(id, TaskState::Completed).await;
    bench.stop().await;
}

async fn a_worker_is_refused_while_one_of_the_other_style_lives(style: WorkerStyle) {
    let mut bench = Bench::with_settings(|settings| settings.worker_style = style).await;
    let present = Registration::start(&bench.pulp, ProcessKind::Worker, "present", &[], TTL).await.unwrap();
    bench.switch(other(style)).await;
    let refusal = bench.worker("newcomer").await.unwrap().unwrap_err().to_string();
    assert!(refusal.contains("present is running in the other style"), "{refusal}");
    present.stop().await.unwrap();
    bench.worker_until("newcomer", tasking::Shutdown::new(), true).await.unwrap().unwrap();
}

async fn killed_workers_of_the_other_style_are_given_up(style: WorkerStyle) {
    let mut bench = Bench::with_settings(|settings| settings.worker_style = style).await;
    drop(Registration::start(&bench.pulp, ProcessKind::Worker, "killed", &[], TTL).await.unwrap());
    bench.switch(other(style)).await;
    bench.begin(1);
    let id = bench.dispatch(&Nap::of(1)).await;
    bench.reaches(id, TaskState::Completed).await;
    bench.stop().await;
}
