//! A Postgres that is there and refuses is waited for as one that is away: results are kept until they are
//! written, and no process is given up for it.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

#[macro_use]
mod support;

use std::time::{Duration, Instant};

use entities::db;
use entities::settings::WorkerStyle;
use entities::task::TaskState;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use support::Bench;
use support::tasks::Nap;

in_both_styles!(
    a_database_that_takes_no_changes_for_longer_than_a_process_may_be_silent_costs_no_task,
    a_login_that_is_refused_for_a_while_costs_no_task,
);

/// A session that stays open whatever happens to the others.
async fn keeper(bench: &Bench) -> DatabaseConnection {
    db::connect_with(&bench.pulp.settings, "keeper", 1, &[]).await.unwrap()
}

async fn read_only(db: &DatabaseConnection, on: bool) {
    let set = format!("ALTER SYSTEM SET default_transaction_read_only = {on}");
    db.execute_unprepared(&set).await.unwrap();
    db.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
}

/// The waiting task completes, and the next one without delay.
async fn goes_on(bench: &Bench, running: uuid::Uuid) {
    let task = bench.all_final(&[running]).await.remove(0);
    assert_eq!(task.state, TaskState::Completed, "{:?}", task.error);
    let (since, next) = (Instant::now(), bench.dispatch(&Nap::of(1)).await);
    bench.reaches(next, TaskState::Completed).await;
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    let gone = "SELECT count(*) AS n FROM process WHERE gone_at IS NOT NULL";
    let row = bench.pulp.db.query_one_raw(db::sql(gone, [])).await.unwrap().unwrap();
    assert_eq!(row.try_get::<i64>("", "n").unwrap(), 0, "no process was given up");
}

async fn a_database_that_takes_no_changes_for_longer_than_a_process_may_be_silent_costs_no_task(
    style: WorkerStyle,
) {
    let bench = Bench::busy(style, 2).await;
    let keeper = keeper(&bench).await;
    let running = bench.dispatch(&Nap::of(2500)).await;
    bench.reaches(running, TaskState::Running).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    read_only(&keeper, true).await;
    tokio::time::sleep(bench.pulp.settings.worker_ttl + Duration::from_secs(2)).await;
    assert_eq!(bench.task(running).await.state, TaskState::Running, "its end could not be written");
    read_only(&keeper, false).await;
    goes_on(&bench, running).await;
    bench.stop().await;
}

async fn a_login_that_is_refused_for_a_while_costs_no_task(style: WorkerStyle) {
    let bench = Bench::busy(style, 2).await;
    let keeper = keeper(&bench).await;
    let running = bench.dispatch(&Nap::of(1200)).await;
    bench.reaches(running, TaskState::Running).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    keeper.execute_unprepared("ALTER ROLE pulp NOLOGIN").await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE backend_type = 'client backend' AND application_name <> 'keeper'";
    keeper.execute_unprepared(cut).await.unwrap();
    tokio::time::sleep(Duration::from_millis(3000)).await;
    keeper.execute_unprepared("ALTER ROLE pulp LOGIN").await.unwrap();
    goes_on(&bench, running).await;
    bench.stop().await;
}
