//! Cancels: of tasks that nobody has begun, of running ones, and against their completion.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

#[macro_use]
mod support;

use std::time::{Duration, Instant};

use deadpool_redis::redis::cmd;
use entities::Error;
use entities::settings::WorkerStyle;
use entities::task::TaskState;
use support::tasks::{Blocking, CHILD, Deaf, Fertile, Nap, TOLD, prn};
use support::{Bench, TTL, stolen, until};
use tasking::process::{ProcessKind, Registration};

in_both_styles!(
    a_running_body_is_told_within_a_hundred_milliseconds,
    a_body_that_does_not_stop_takes_its_worker_down_and_is_canceled,
    a_cancel_and_a_completion_have_one_winner,
    nothing_new_comes_of_a_canceled_task,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_was_sent_to_a_worker_and_not_begun_never_runs() {
    let mut bench = Bench::start().await;
    bench.begin(0);
    // Alive, but it takes nothing.
    let idler =
        Registration::start(&bench.pulp, ProcessKind::Worker, "idler", &["test.nap"], TTL).await.unwrap();
    let sent = bench.dispatch(&Nap::of(0).alone_on("a")).await;
    let behind = bench.dispatch(&Nap::of(0).alone_on("a")).await;
    let mut redis = bench.redis().await;
    let queue = format!("{}idler", bench.pulp.settings.redis_key_prefix);
    until("it is sent", async || cmd("LLEN").arg(&queue).query_async::<i64>(&mut redis).await.unwrap() > 0)
        .await;
    let canceled = bench.dispatcher.cancel(sent).await.unwrap();
    assert_eq!(canceled.state, TaskState::Canceled);
    let worker = bench.worker("w");
    bench.reaches(behind, TaskState::Completed).await;
    let sent = bench.task(sent).await;
    assert_eq!((sent.state, sent.started_at, sent.worker_id), (TaskState::Canceled, None, None));
    drop(idler);
    bench.stop().await;
    worker.await.unwrap().unwrap();
}

async fn a_running_body_is_told_within_a_hundred_milliseconds(style: WorkerStyle) {
    let bench = Bench::busy(style, 1).await;
    let directory = bench.pulp.settings.working_directory.join("worker-0");
    let mut delays = Vec::new();
    for _ in 0..7 {
        let id = bench.dispatch(&Blocking {}).await;
        let begun = directory.join(id.to_string()).join("begun");
        until("the body runs", async || begun.exists()).await;
        let (asked, stolen_before) = (Instant::now(), stolen());
        // The answer is the row as it is then: the task may have ended already.
        let state = bench.dispatcher.cancel(id).await.unwrap().state;
        assert!(matches!(state, TaskState::Canceling | TaskState::Canceled), "{state:?}");
        let told = || TOLD.lock().unwrap().as_ref().and_then(|told| told.get(&id).copied());
        until("the thread is told", async || told().is_some()).await;
        delays.push((told().unwrap() - asked).saturating_sub(stolen() - stolen_before));
        bench.reaches(id, TaskState::Canceled).await;
    }
    delays.sort();
    println!("from the cancel to the body: median {:?}, worst {:?}", delays[3], delays[6]);
    assert!(delays[3] < Duration::from_millis(100), "{delays:?}");
    bench.stop().await;
}

async fn a_body_that_does_not_stop_takes_its_worker_down_and_is_canceled(style: WorkerStyle) {
    let mut bench = Bench::of(style).await;
    bench.begin(0);
    let worker = bench.worker("doomed");
    let deaf = Deaf { milliseconds: 5000, exclusive: vec![prn("a")] };
    let deaf = bench.dispatch(&deaf).await;
    bench.reaches(deaf, TaskState::Running).await;
    let behind = bench.dispatch(&Nap::of(0).alone_on("a")).await;
    bench.dispatcher.cancel(deaf).await.unwrap();
    let error = worker.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("ignored cancellation"), "{error}");
    bench.reaches(deaf, TaskState::Canceled).await;
    let other = bench.worker("other");
    bench.reaches(behind, TaskState::Completed).await;
    bench.stop().await;
    other.await.unwrap().unwrap();
}

async fn a_cancel_and_a_completion_have_one_winner(style: WorkerStyle) {
    let bench = Bench::busy(style, 2).await;
    let (mut canceled, mut completed) = (0, 0);
    for number in 0..200_u64 {
        let id = bench.dispatch(&Nap::of(number % 4).alone_on("a")).await;
        if number % 8 != 0 {
            tokio::time::sleep(Duration::from_micros(number % 40 * 500)).await;
        }
        let asked = bench.dispatcher.cancel(id).await;
        let ended = bench.all_final(&[id]).await.remove(0);
        match asked {
            Ok(told) => {
                assert!(matches!(told.state, TaskState::Canceled | TaskState::Canceling), "{told:?}");
                assert_eq!(ended.state, TaskState::Canceled, "{number}");
                canceled += 1;
            }
            Err(Error::Conflict(_)) => {
                assert_eq!(ended.state, TaskState::Completed, "{number}");
                completed += 1;
            }
            Err(error) => panic!("{error}"),
        }
        assert!(ended.error.is_none() && ended.finished_at.is_some(), "{ended:?}");
        assert_eq!(ended.started_at.is_some(), ended.worker_id.is_some(), "{ended:?}");
    }
    println!("{canceled} canceled, {completed} completed");
    let last = bench.dispatch(&Nap::of(0).alone_on("a")).await;
    bench.reaches(last, TaskState::Completed).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_without_redis_reaches_the_body_by_the_row() {
    let mut bench = Bench::with_workers(1).await;
    let id = bench.dispatch(&Nap::of(60_000)).await;
    bench.reaches(id, TaskState::Running).await;
    bench.servers.stop_redis();
    bench.dispatcher.cancel(id).await.unwrap();
    bench.reaches(id, TaskState::Canceled).await;
    bench.servers.start_redis().await;
    bench.stop().await;
}

async fn nothing_new_comes_of_a_canceled_task(style: WorkerStyle) {
    let bench = Bench::busy(style, 2).await;
    let parent = bench.dispatch(&Fertile {}).await;
    let children = async || {
        use entities::task::{Column, Entity};
        use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
        Entity::find().filter(Column::ParentTaskId.eq(parent)).all(&bench.pulp.db).await.expect("an answer")
    };
    let child = || CHILD.lock().unwrap().as_ref().and_then(|all| all.get(&parent).cloned());
    until("a child is dispatched", async || children().await.len() == 1).await;
    bench.dispatcher.cancel(parent).await.unwrap();
    until("another one is tried", async || child().is_some()).await;
    let refusal = child().unwrap().unwrap_err();
    assert!(refusal.contains("lost its claim on the task"), "{refusal}");
    bench.reaches(parent, TaskState::Canceled).await;
    let children = children().await;
    assert_eq!(children.len(), 1);
    bench.reaches(children[0].pulp_id, TaskState::Completed).await;
    bench.stop().await;
}
