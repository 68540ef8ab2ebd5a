//! Scheduled tasks: each time is kept once, and never by two tasks at once.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

#[macro_use]
mod support;

use std::time::Duration;

use entities::settings::WorkerStyle;
use entities::task::TaskState;
use entities::{domain, task, task_schedule};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use support::tasks::{Nap, prn};
use support::{Bench, until};
use tasking::{Dispatcher, schedules};
use uuid::Uuid;

in_both_styles!(
    what_is_due_is_dispatched_once_however_many_try,
    a_schedule_goes_on_by_itself_and_never_overlaps,
    a_schedule_survives_its_last_task,
);

const HOUR: Duration = Duration::from_secs(3600);

async fn schedule(bench: &Bench) -> task_schedule::Model {
    let found = task_schedule::Entity::find().filter(task_schedule::Column::Name.eq("nap"));
    found.one(&bench.pulp.db).await.unwrap().unwrap()
}

/// As if nobody had looked for a week.
async fn neglect(bench: &Bench) {
    let sql = "UPDATE task_schedule SET next_dispatch = now() - interval '7 days' WHERE name = 'nap'";
    bench.pulp.db.execute_unprepared(sql).await.unwrap();
}

async fn naps(bench: &Bench) -> Vec<task::Model> {
    let found = task::Entity::find().filter(task::Column::Name.eq("test.nap"));
    found.order_by_asc(task::Column::Seq).all(&bench.pulp.db).await.unwrap()
}

/// Many look at the same time; answers how many tasks they have dispatched together.
async fn rush(dispatchers: &[Dispatcher]) -> usize {
    let looks = dispatchers
        .iter()
        .cloned()
        .map(|dispatcher| tokio::spawn(async move { schedules::dispatch_due(&dispatcher).await.unwrap().0 }));
    futures_util::future::join_all(looks).await.into_iter().map(Result::unwrap).sum()
}

async fn what_is_due_is_dispatched_once_however_many_try(style: WorkerStyle) {
    let bench = Bench::of(style).await;
    let nap = Nap::of(0).alone_on("a").sharing("b");
    schedules::keep(&bench.pulp.db, "nap", &nap, HOUR).await.unwrap();
    let dispatchers: Vec<Dispatcher> = (0..8).map(|_| Dispatcher::new(bench.pulp.clone())).collect();
    assert_eq!(rush(&dispatchers).await, 0, "the first one is due in an hour");
    for round in 1..=15 {
        neglect(&bench).await;
        assert_eq!(rush(&dispatchers).await, 1, "round {round}");
        let (kept, tasks) = (schedule(&bench).await, naps(&bench).await);
        assert_eq!(tasks.len(), round);
        assert_eq!(kept.last_task_id, tasks.last().map(|task| task.pulp_id));
        let pause = kept.next_dispatch.unwrap() - tasks[round - 1].pulp_created;
        assert!((pause.num_seconds() - 3600).abs() < 60, "the week that was missed is made up for once");
        neglect(&bench).await;
        assert_eq!(rush(&dispatchers).await, 0, "the last one has not ended");
        bench.dispatcher.cancel(kept.last_task_id.unwrap()).await.unwrap();
    }
    let task = naps(&bench).await.remove(0);
    assert_eq!(task.exclusive_resources, [prn("a").as_str()]);
    assert_eq!(task.shared_resources, [prn("b").as_str(), &format!("prn:core.domain:{}", domain::DEFAULT)]);
    assert_eq!(task.args, serde_json::to_value(&nap).unwrap());
    assert_eq!(task.logging_cid.len(), 32);
}

async fn a_schedule_goes_on_by_itself_and_never_overlaps(style: WorkerStyle) {
    let mut bench = Bench::of(style).await;
    schedules::keep(&bench.pulp.db, "nap", &Nap::of(100), Duration::from_millis(50)).await.unwrap();
    bench.begin(3);
    bench.manager_that_restarts();
    let ended = async || naps(&bench).await.iter().filter(|task| task.state == TaskState::Completed).count();
    until("three have ended", async || ended().await >= 3).await;
    schedules::remove(&bench.pulp.db, "nap").await.unwrap();
    for pair in naps(&bench).await.windows(2) {
        assert!(pair[0].finished_at.unwrap() <= pair[1].pulp_created, "two at once");
    }
    bench.stop().await;
}

async fn a_schedule_survives_its_last_task(style: WorkerStyle) {
    let bench = Bench::of(style).await;
    schedules::keep(&bench.pulp.db, "nap", &Nap::of(0), HOUR).await.unwrap();
    neglect(&bench).await;
    assert_eq!(rush(std::slice::from_ref(&bench.dispatcher)).await, 1);
    let id: Uuid = schedule(&bench).await.last_task_id.unwrap();
    bench.dispatcher.cancel(id).await.unwrap();
    task::Entity::delete_by_id(id).exec(&bench.pulp.db).await.unwrap();
    assert_eq!(schedule(&bench).await.last_task_id, None);
    // What it does changes, and when, if that is sooner.
    schedules::keep(&bench.pulp.db, "nap", &Nap::of(7), HOUR / 2).await.unwrap();
    let changed = schedule(&bench).await;
    assert_eq!(
        (changed.args["milliseconds"].as_u64(), changed.dispatch_interval),
        (Some(7), Some(1_800_000_000))
    );
    let pause = changed.next_dispatch.unwrap() - changed.pulp_last_updated;
    assert!((pause.num_seconds() - 1800).abs() < 60, "{pause}");
    neglect(&bench).await;
    assert_eq!(rush(std::slice::from_ref(&bench.dispatcher)).await, 1);
}
