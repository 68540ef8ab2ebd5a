//! A transaction that nobody waits for any more.

mod support;

use std::time::Duration;

use entities::db;
use futures_util::poll;
use sea_orm::ConnectionTrait;
use support::Bench;

#[tokio::test]
async fn whoever_is_dropped_while_a_transaction_begins_leaves_none_open() {
    let bench = Bench::start().await;
    let single = db::connect_with(&bench.pulp.settings, "single", 1, &[]).await.unwrap();
    bench.pulp.db.execute_unprepared("CREATE TABLE kept (n integer)").await.unwrap();
    for polls in 0..40 {
        let mut begins = Box::pin(db::begin(&single));
        for _ in 0..polls {
            if poll!(&mut begins).is_ready() {
                break;
            }
            tokio::time::sleep(Duration::from_micros(20)).await;
        }
        drop(begins);
        single.execute_raw(db::sql("INSERT INTO kept VALUES ($1)", [polls.into()])).await.unwrap();
        let sql = "SELECT 1 FROM kept WHERE n = $1";
        let kept = bench.pulp.db.query_one_raw(db::sql(sql, [polls.into()])).await.unwrap();
        assert!(kept.is_some(), "dropped after {polls} polls: what was written then is not committed");
    }
}
