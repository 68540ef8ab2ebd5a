//! The checker notices: the product is broken on purpose, in eleven ways, and each time the same steps that
//! harm a sound product nothing show a broken promise.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::collections::HashSet;
use std::time::Duration;

use integration_tests::faults::postgres_proxy::{Strike, Trap};
use integration_tests::faults::stage::{Broken, Stage};
use integration_tests::faults::system::{Setup, System};
use integration_tests::faults::workload::{Workload, resource};
use integration_tests::faults::{Style, files, redis, settings};
use integration_tests::tasks::now;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustix::process::Signal;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(20);

/// How long a task may take to be where it should be; a worker that does not answer gets nothing more after 3
/// s.
const SOON: Duration = Duration::from_secs(9);

/// Does the same to a sound product and to a broken one.
async fn shows(rule: &str, workers: usize, ttl: Duration, broken: Broken, steps: impl AsyncFn(&mut Stage)) {
    let run = async |broken| {
        let mut stage = Stage::start(workers, ttl, broken).await;
        steps(&mut stage).await;
        stage.end().await
    };
    let (sound, broken) = tokio::join!(run(Broken::Not), run(broken));
    assert!(sound.is_empty(), "the sound product: {sound:?}");
    assert!(broken.iter().any(|violation| violation.rule == rule), "not noticed; only {broken:?}");
}

/// A row that has its number already and is committed later.
struct Late {
    id: Uuid,
    database: PgConnection,
}

impl Late {
    async fn draw(stage: &Stage, exclusive: u32, milliseconds: u64) -> Late {
        let mut database = stage.system.servers.database().await;
        let id = Uuid::now_v7();
        let sql = "INSERT INTO task (pulp_id, pulp_domain_id, name, args, exclusive_resources)
                   SELECT $1, pulp_id, 'test.noop', $2::jsonb, ARRAY[$3] FROM domain";
        let name = resource(exclusive).to_string();
        let args = format!(r#"{{"exclusive": ["{name}"], "shared": [], "milliseconds": {milliseconds}}}"#);
        sqlx::raw_sql("BEGIN").execute(&mut database).await.unwrap();
        sqlx::query(sql).bind(id).bind(args).bind(name).execute(&mut database).await.unwrap();
        Late { id, database }
    }

    async fn commit(mut self) -> Uuid {
        sqlx::raw_sql("COMMIT").execute(&mut self.database).await.unwrap();
        self.id
    }
}

/// The leader sends `late`'s successor to a worker that does not claim it. Then `late` appears and the leader
/// dies: for the next one, `late` comes first. Answers `late`, the successor, and the worker.
async fn two_orders(stage: &mut Stage, milliseconds: u64) -> (Uuid, Uuid, String) {
    let late = Late::draw(stage, 1, 4000).await;
    for name in ["worker-1", "worker-2"] {
        stage.system.slot(name).signal(Signal::STOP);
    }
    let successor = stage.nap(&[1], milliseconds).await;
    let worker = stage.ordered(successor).await;
    let other = if worker == "worker-1" { "worker-2" } else { "worker-1" };
    stage.system.slot(other).signal(Signal::CONT);
    let late = late.commit().await;
    let leader = stage.system.leader().await.unwrap();
    stage.system.slot(&leader).signal(Signal::KILL);
    (late, successor, worker)
}

#[tokio::test]
async fn a_claim_that_does_not_check_the_epoch() {
    let broken = Broken::Function("refuse_claim", "IF NOT FOUND THEN RETURN 'epoch'; END IF;", "");
    shows("exclusive", 2, LONG, broken, async |stage: &mut Stage| {
        let (late, _, worker) = two_orders(stage, 100).await;
        assert!(stage.is(late, "running", SOON).await);
        stage.system.slot(&worker).signal(Signal::CONT);
    })
    .await;
}

#[tokio::test]
async fn an_epoch_that_is_incremented_after_the_rows_are_read() {
    shows("exclusive", 2, LONG, Broken::Switch("LateEpoch"), async |stage: &mut Stage| {
        let (_, _, worker) = two_orders(stage, 8000).await;
        let before = stage.system.leader().await;
        integration_tests::until("another manager has the lease", || async {
            let leader = stage.system.leader().await?;
            (Some(&leader) != before.as_ref()).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        stage.system.slot(&worker).signal(Signal::CONT);
    })
    .await;
}

#[tokio::test]
async fn a_claim_without_the_leader_lock() {
    let broken =
        Broken::Function("refuse_claim", "PERFORM pg_advisory_xact_lock_shared(lock_leader(), 0);", "NULL;");
    shows("exclusive", 2, LONG, broken, async |stage: &mut Stage| {
        let late = Late::draw(stage, 1, 4000).await;
        // A claim stands still between its checks and its write: its worker's lock is taken until the task's
        // row is.
        let mut holders = Vec::new();
        for name in ["worker-1", "worker-2"] {
            let mut holder = stage.system.servers.database().await;
            sqlx::raw_sql("BEGIN").execute(&mut holder).await.unwrap();
            let sql = "SELECT pg_advisory_xact_lock(lock_worker(), hashtext(pulp_id::text)) FROM process
                       WHERE name = $1 AND gone_at IS NULL";
            sqlx::query(sql).bind(name).execute(&mut holder).await.unwrap();
            holders.push(holder);
        }
        let successor = stage.nap(&[1], 100).await;
        stage.ordered(successor).await;
        let mut row = stage.system.servers.database().await;
        sqlx::raw_sql("BEGIN").execute(&mut row).await.unwrap();
        let sql = "SELECT FROM task WHERE pulp_id = $1 FOR UPDATE";
        sqlx::query(sql).bind(successor).execute(&mut row).await.unwrap();
        for holder in holders {
            holder.close().await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let late = late.commit().await;
        let leader = stage.system.leader().await.unwrap();
        stage.system.slot(&leader).signal(Signal::KILL);
        // A sound leader waits for the claim that stands still.
        stage.is(late, "running", SOON).await;
        row.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_claim_that_does_not_check_the_worker() {
    let broken = Broken::Function("refuse_claim", "IF NOT FOUND THEN RETURN 'gone'; END IF;", "");
    shows("given up", 1, Duration::from_secs(2), broken, async |stage: &mut Stage| {
        // It waits for an order when it is stopped, so the order is on its way already when it is given up.
        let first = stage.nap(&[], 10).await;
        assert!(stage.is(first, "completed", SOON).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let worker = stage.system.slot("worker-1");
        worker.signal(Signal::STOP);
        let traps = worker.traps.clone();
        stage.nap(&[], 10).await;
        let gone = "SELECT count(*) > 0 FROM process WHERE kind = 'worker' AND gone_at IS NOT NULL";
        stage.until("the worker is given up", SOON, gone).await;
        // It is slow to learn of it.
        let strike = Strike::Delay(Duration::from_secs(1));
        traps.set(Trap { statements: &["process_beat"], strike });
        stage.system.slot("worker-1").signal(Signal::CONT);
    })
    .await;
}

#[tokio::test]
async fn a_claim_that_does_not_check_the_task() {
    let broken = Broken::Function("take_task", " AND state::text = 'waiting'", "");
    shows("once", 1, LONG, broken, async |stage: &mut Stage| {
        let task = stage.nap(&[], 10).await;
        assert!(stage.is(task, "completed", SOON).await);
        stage.order(task, "worker-1").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    })
    .await;
}

#[tokio::test]
async fn a_fold_that_claims_the_next_task_before_this_one_is_final() {
    let broken =
        Broken::Function("finish_task", "state::text IN ('running', 'canceling')", "state::text = 'running'");
    shows("one at a time", 1, LONG, broken, async |stage: &mut Stage| {
        let task = stage.block(4000).await;
        assert!(stage.is(task, "running", SOON).await);
        let next = stage.nap(&[], 500).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        stage.order(next, "worker-1").await;
        stage.workload.cancel(task).await;
        assert!(stage.is(next, "completed", SOON).await);
        // The broken product never ends the first.
        stage.patience = Duration::from_secs(4);
    })
    .await;
}

#[tokio::test]
async fn an_order_that_is_acknowledged_before_its_effect() {
    let broken = Broken::Switch("AcknowledgeBeforeEffect");
    shows("acknowledged", 1, LONG, broken, async |stage: &mut Stage| {
        let task = stage.nap(&[], 10).await;
        assert!(stage.is(task, "completed", SOON).await);
    })
    .await;
}

#[tokio::test]
async fn resources_that_are_freed_when_a_claim_is_refused() {
    shows("exclusive", 2, LONG, Broken::Switch("FreeOnRefusal"), async |stage: &mut Stage| {
        let first = stage.nap(&[1, 2], 3000).await;
        assert!(stage.is(first, "running", SOON).await);
        // Two that it blocks: one of them would go to the worker that is really idle.
        stage.nap(&[1], 10).await;
        stage.nap(&[2], 10).await;
        let worker = stage.ordered(first).await;
        let other = if worker == "worker-1" { "worker-2" } else { "worker-1" };
        stage.order(first, other).await;
        assert!(stage.is(first, "completed", SOON).await);
    })
    .await;
}

#[tokio::test]
async fn a_leader_that_goes_on_after_everything_in_redis_was_deleted() {
    shows("lease", 1, LONG, Broken::Switch("RetakeLease"), async |stage: &mut Stage| {
        let task = stage.nap(&[], 10).await;
        assert!(stage.is(task, "completed", SOON).await);
        // The other manager might take the lease first.
        let leader = stage.system.leader().await.unwrap();
        let other = if leader == "manager-1" { "manager-2" } else { "manager-1" };
        stage.system.slot(other).signal(Signal::STOP);
        redis::command(&stage.system.servers.redis_socket(), &["FLUSHALL"]).await.unwrap();
        let task = stage.nap(&[], 10).await;
        assert!(stage.is(task, "completed", LONG).await);
        stage.system.slot(other).signal(Signal::CONT);
    })
    .await;
}

#[tokio::test]
async fn a_leader_that_never_looks_at_the_rows_again() {
    shows("final", 2, LONG, Broken::Switch("NoSweep"), async |stage: &mut Stage| {
        let task = stage.nap(&[1], 2500).await;
        assert!(stage.is(task, "running", SOON).await);
        let worker = stage.ordered(task).await;
        let next = stage.nap(&[1], 10).await;
        // Nobody tells that the task has ended.
        stage.system.slot(&worker).redis.stall(true);
        assert!(stage.is(task, "completed", SOON).await);
        (stage.settled, stage.bound) = (Some(now()), Duration::from_secs(8));
        stage.is(next, "completed", Duration::from_secs(11)).await;
        stage.system.slot(&worker).redis.stall(false);
    })
    .await;
}

/// Artifacts that lack their bytes after an upload, and after everything was killed and the power cut.
async fn lost_by_a_power_cut(fault: Option<&str>) -> Vec<String> {
    let mut environment = settings();
    environment.extend(fault.map(|fault| ("PULPCORE_FAULT".to_owned(), fault.to_owned())));
    let managers = vec!["wait"];
    let setup =
        Setup { style: Style::Redis, workers: 1, managers, api: true, environment, schema: Vec::new() };
    let mut system = System::start(setup).await;
    Workload::open(&mut system).await.upload_everything(&mut system).await;
    for slot in &mut system.slots {
        slot.kept = false;
        slot.signal(Signal::KILL);
    }
    system.store.cut_power(&mut StdRng::seed_from_u64(1));
    let mut database = system.servers.database().await;
    files::missing(&mut database, &system.media(), &HashSet::new()).await.unwrap()
}

#[tokio::test]
async fn rows_of_files_that_were_not_flushed() {
    let (sound, broken) = tokio::join!(lost_by_a_power_cut(None), lost_by_a_power_cut(Some("NoFlush")));
    assert!(sound.is_empty(), "the sound product: {sound:?}");
    assert!(!broken.is_empty(), "not noticed");
}
