//! Tasking without Redis: the queue in rows, its wake-ups, and what happens when they are lost.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

mod support;

use std::time::{Duration, Instant};

use entities::db;
use entities::settings::WorkerStyle;
use entities::task::TaskState;
use sea_orm::ConnectionTrait;
use support::tasks::Nap;
use support::{Bench, TTL, until};
use tasking::resource_manager::Outcome;

async fn bench(workers: usize) -> Bench {
    Bench::busy(WorkerStyle::Postgres, workers).await
}

async fn count(bench: &Bench, from: &str) -> i64 {
    let sql = format!("SELECT count(*) AS count FROM {from}");
    let row = bench.pulp.db.query_one_raw(db::sql(&sql, [])).await.unwrap();
    row.unwrap().try_get("", "count").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_in_the_queue_when_all_is_done() {
    let bench = bench(3).await;
    let mut ids = Vec::new();
    for number in 0..200_u64 {
        let nap =
            Nap::of(number % 3).alone_on(&format!("{}", number % 7)).sharing(&format!("{}", number % 5 + 5));
        ids.push(bench.dispatch(&nap).await);
        if number % 9 == 0 {
            let _ = bench.dispatcher.cancel(ids[ids.len() / 2]).await;
        }
    }
    bench.all_final(&ids).await;
    for table in ["task_change", "task_admitted", "task_lock"] {
        until(&format!("{table} is empty"), async || count(&bench, table).await == 0).await;
    }
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_wake_ups_are_made_up_for_by_a_look() {
    let bench = bench(2).await;
    until("both sleep", async || count(&bench, "idle_worker").await == 2).await;
    // Whoever would be told is not known to sleep.
    bench.pulp.db.execute_unprepared("DELETE FROM idle_worker").await.unwrap();
    let id = bench.dispatch(&Nap::of(0)).await;
    let began = Instant::now();
    bench.reaches(id, TaskState::Completed).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    until("both sleep", async || count(&bench, "idle_worker").await == 2).await;
    // The listening sessions are cut: they are opened again.
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^(UN)?LISTEN'";
    bench.pulp.db.execute_unprepared(sql).await.unwrap();
    let listening = "pg_stat_activity WHERE query ~ '^(UN)?LISTEN'";
    until("one listens again", async || count(&bench, listening).await == 1).await;
    let mut waits = Vec::new();
    for _ in 0..9 {
        until("both sleep", async || count(&bench, "idle_worker").await == 2).await;
        let id = bench.dispatch(&Nap::of(0)).await;
        let task = bench.reaches(id, TaskState::Completed).await;
        waits.push((task.started_at.unwrap() - task.pulp_created).num_microseconds().unwrap());
    }
    waits.sort_unstable();
    println!("created to started: median {} µs", waits[4]);
    assert!(waits[4] < 200_000, "{waits:?}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_by_itself_takes_what_is_late_and_leaves_the_rest_to_those_that_were_told() {
    let bench = Bench::of(WorkerStyle::Postgres).await;
    let sleeps_on = async |names: &str, age: &str| {
        let sql = format!(
            "WITH there AS MATERIALIZED (SELECT become_idle('{}', 0) AS number)
             SELECT count(*) FROM there, stay_idle('{0}', there.number, '{names}', {age}) AS one WHERE work",
            uuid::Uuid::nil()
        );
        let row = bench.pulp.db.query_one_raw(db::sql(&sql, [])).await.unwrap();
        row.unwrap().try_get::<i64>("", "count").unwrap() == 1
    };
    let ready = "INSERT INTO task_ready (task_id, name) VALUES (gen_random_uuid(), 'test.nap')";
    bench.pulp.db.execute_unprepared(ready).await.unwrap();
    assert!(!sleeps_on("{test.nap}", "'1 hour'").await, "somebody was told of it");
    assert!(sleeps_on("{test.nap}", "NULL").await, "nobody may have been told of it");
    bench
        .pulp
        .db
        .execute_unprepared("UPDATE task_ready SET since = since - interval '2 hours'")
        .await
        .unwrap();
    assert!(sleeps_on("{test.nap}", "'1 hour'").await, "nobody comes");
    assert!(!sleeps_on("{test.unknown}", "'1 hour'").await, "it is for others");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_that_is_committed_after_hundreds_of_later_ones_is_found() {
    let bench = bench(2).await;
    let late = db::begin(&bench.pulp.db).await.unwrap();
    let sql = "WITH task AS (
                   INSERT INTO task (pulp_id, pulp_domain_id, name, args, exclusive_resources, shared_resources)
                   SELECT gen_random_uuid(), pulp_id, 'test.nap', $1, '{}', '{}' FROM domain RETURNING pulp_id)
               INSERT INTO task_change (task_id) SELECT pulp_id FROM task RETURNING task_id";
    let args = serde_json::to_value(Nap::of(0)).unwrap();
    let row = late.query_one_raw(db::sql(sql, [args.into()])).await.unwrap().unwrap();
    let task = row.try_get("", "task_id").unwrap();
    let mut others = Vec::new();
    for _ in 0..400 {
        others.push(bench.dispatch(&Nap::of(0)).await);
    }
    bench.all_final(&others).await;
    late.commit().await.unwrap();
    let began = Instant::now();
    bench.reaches(task, TaskState::Completed).await;
    println!("found after {:?}", began.elapsed());
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_listens_for_all_workers_of_a_host_and_another_one_when_its_worker_ends() {
    let bench = Bench::of(WorkerStyle::Postgres).await;
    let first = tasking::Shutdown::new();
    let ending = bench.worker_until("first", first.clone(), false);
    let listening = "pg_stat_activity WHERE query ~ '^(UN)?LISTEN'";
    until("it listens", async || count(&bench, listening).await == 1).await;
    let others: Vec<_> = (0..3).map(|number| bench.worker(&format!("other-{number}"))).collect();
    until("all sleep", async || count(&bench, "idle_worker").await == 4).await;
    assert_eq!(count(&bench, listening).await, 1);
    for round in 0..2 {
        let ids = [bench.dispatch(&Nap::of(300)).await, bench.dispatch(&Nap::of(300)).await];
        let began = Instant::now();
        bench.all_final(&ids).await;
        assert!(began.elapsed() < Duration::from_secs(5), "round {round}: {:?}", began.elapsed());
        first.graceful();
        until("another one listens", async || {
            let alive = "process WHERE kind = 'worker' AND gone_at IS NULL";
            count(&bench, alive).await == 3 && count(&bench, listening).await == 1
        })
        .await;
    }
    ending.await.unwrap().unwrap();
    bench.shutdown.graceful();
    for other in others {
        other.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_steward_that_lives_and_does_not_act_is_replaced() {
    let mut bench =
        Bench::with_settings_of(WorkerStyle::Postgres, |settings| settings.worker_ttl = TTL * 2).await;
    bench.begin(2);
    let chosen = "coordinator JOIN process ON pulp_id = process_id";
    until("there is a steward", async || count(&bench, chosen).await == 1).await;
    until("both are there", async || count(&bench, "process WHERE kind = 'worker'").await == 2).await;
    // The other worker has no ear of its own, so it does not know.
    let sql = "UPDATE coordinator SET process_id = pulp_id FROM process WHERE kind = 'worker' AND pulp_id <> process_id;
               WITH silent AS (INSERT INTO process (pulp_id, kind, name, style)
                               VALUES (gen_random_uuid(), 'worker', 'silent', 'postgres') RETURNING pulp_id)
               INSERT INTO process_beat (process_id) SELECT pulp_id FROM silent";
    bench.pulp.db.execute_unprepared(sql).await.unwrap();
    let given_up = "process WHERE name = 'silent' AND gone_at IS NOT NULL";
    until("the silent process is given up", async || count(&bench, given_up).await == 1).await;
    assert_eq!(count(&bench, &format!("{chosen} WHERE gone_at IS NULL")).await, 1);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_tasks_wakes_all_sleepers() {
    let bench = bench(4).await;
    until("all sleep", async || count(&bench, "idle_worker").await == 4).await;
    let began = Instant::now();
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(bench.dispatch(&Nap::of(1500)).await);
    }
    bench.all_final(&ids).await;
    println!("four naps of 1.5 s took {:?}", began.elapsed());
    // Two workers need 3 s.
    assert!(began.elapsed() < Duration::from_millis(2900), "{:?}", began.elapsed());
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_manager_is_not_needed_and_idles() {
    let bench = Bench::of(WorkerStyle::Postgres).await;
    let manager = bench.manager();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!manager.is_finished());
    bench.shutdown.graceful();
    assert_eq!(manager.await.unwrap().unwrap(), Outcome::Stopped);
    assert_eq!(count(&bench, "process").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_want_to_move_the_queue_on_one_waits_for_its_turn() {
    let bench = Bench::of(WorkerStyle::Postgres).await;
    let waiting = "pg_locks WHERE locktype = 'advisory' AND classid = lock_queue() AND NOT granted";
    let look = || {
        let db = bench.pulp.db.clone();
        tokio::spawn(
            async move { db.execute_raw(db::sql("SELECT poll_queue(10, '{}', 1)", [])).await.map(drop) },
        )
    };
    let turn = db::begin(&bench.pulp.db).await.unwrap();
    turn.execute_unprepared("SELECT pg_advisory_xact_lock(lock_queue(), 0)").await.unwrap();
    let waits = look();
    until("one waits", async || count(&bench, waiting).await == 1).await;
    for _ in 0..20 {
        look().await.unwrap().unwrap();
    }
    assert_eq!(count(&bench, waiting).await, 1);
    // The next one to come has nobody to rely on if that one does not do it.
    let cancel = "SELECT pg_cancel_backend(pid) FROM pg_locks WHERE classid = lock_queue() AND NOT granted";
    bench.pulp.db.execute_unprepared(cancel).await.unwrap();
    waits.await.unwrap().unwrap_err();
    let id = bench.dispatch(&Nap::of(0)).await;
    let waits = look();
    until("another one waits", async || count(&bench, waiting).await == 1).await;
    turn.commit().await.unwrap();
    waits.await.unwrap().unwrap();
    let ready = format!("task_ready WHERE task_id = '{id}'");
    assert_eq!(count(&bench, &ready).await, 1);
    assert_eq!(count(&bench, "pg_locks WHERE classid IN (lock_queue(), lock_turn())").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_an_old_transaction_keeps_are_not_passed_by_every_task() {
    let bench = bench(2).await;
    let run = async |tasks: u32| {
        let mut ids = Vec::new();
        for number in 0..tasks {
            let nap = Nap::of(0).alone_on(&(number % 100).to_string()).sharing("all");
            ids.push(bench.dispatch(&nap).await);
        }
        bench.all_final(&ids).await;
    };
    let old = db::begin(&bench.pulp.db).await.unwrap();
    old.execute_unprepared("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    old.execute_unprepared("SELECT count(*) FROM task_lock").await.unwrap();
    run(1000).await;
    // Now the planner knows that nearly nothing lives.
    bench
        .pulp
        .db
        .execute_unprepared("VACUUM ANALYZE task, task_lock, task_admitted, task_ready")
        .await
        .unwrap();
    let passed = async || {
        // A session may keep to itself for ten seconds what it has read, but tells before it ends.
        let others = "pg_stat_activity WHERE datname = current_database() AND state = 'idle' AND pid <> pg_backend_pid()";
        let sql = format!("SELECT pg_terminate_backend(pid, 5000) FROM {others}");
        bench.pulp.db.query_all_raw(db::sql(&sql, [])).await.unwrap();
        let sql = "SELECT sum(idx_tup_read)::bigint AS passed FROM pg_stat_user_indexes
                   WHERE relname IN ('task', 'task_lock', 'task_admitted', 'task_ready')";
        let row = bench.pulp.db.query_one_raw(db::sql(sql, [])).await.unwrap();
        row.unwrap().try_get::<i64>("", "passed").unwrap()
    };
    run(20).await;
    let before = passed().await;
    run(50).await;
    let each = (passed().await - before) / 50;
    println!("{each} rows of the queue are passed for one task");
    assert!(each < 200, "{each}");
    old.rollback().await.unwrap();
    bench.stop().await;
}
