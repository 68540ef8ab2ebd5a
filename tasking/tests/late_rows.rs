//! Rows that are committed long after their number was drawn.

mod support;

use std::time::Duration;

use entities::db;
use entities::task::TaskState;
use sea_orm::ConnectionTrait;
use support::Bench;
use support::tasks::Nap;
use uuid::Uuid;

#[tokio::test]
async fn a_row_is_found_however_late_it_is_committed_and_though_nobody_announces_it() {
    let bench = Bench::with_workers(1).await;
    let late = Uuid::now_v7();
    let txn = db::begin(&bench.pulp.db).await.unwrap();
    let sql = "INSERT INTO task (pulp_id, pulp_domain_id, name, args) SELECT $1, pulp_id, 'test.nap', $2 FROM domain";
    let args = serde_json::to_value(Nap::of(1)).unwrap();
    txn.execute_raw(db::sql(sql, [late.into(), args.into()])).await.unwrap();
    let other = bench.dispatch(&Nap::of(1)).await;
    bench.reaches(other, TaskState::Completed).await;
    // Long after a number without a row is given up, unless a transaction is open that may have drawn it.
    tokio::time::sleep(Duration::from_secs(11)).await;
    txn.commit().await.unwrap();
    bench.reaches(late, TaskState::Completed).await;
    bench.stop().await;
}
