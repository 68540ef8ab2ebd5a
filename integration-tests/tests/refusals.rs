//! A Postgres that is there and refuses, as clients of the servers see it.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::time::Duration;

use integration_tests::{Answer, Pulp, until};
use serde_json::json;
use sqlx::PgConnection;

const REPOSITORIES: &str = "/pulp/api/v3/repositories/file/file/";

async fn read_only(database: &mut PgConnection, on: bool) {
    let set = format!("ALTER SYSTEM SET default_transaction_read_only = {on}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut *database).await.unwrap();
    sqlx::raw_sql("SELECT pg_reload_conf()").execute(database).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// The response of a server that asks to come again, and says why without a driver's words.
fn asks_to_come_again(answer: Answer, why: &str) {
    assert_eq!(answer.header("retry-after"), "5");
    let detail = answer.expect(503)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(why) && !detail.contains("Execution Error"), "{detail}");
}

#[tokio::test]
async fn a_database_that_takes_no_changes_is_served_from_and_writes_are_asked_to_come_again() {
    let mut pulp = Pulp::builder().workers(1).start().await;
    let repository = pulp.repository("r").await;
    let mut database = pulp.database().await;
    read_only(&mut database, true).await;
    let why = "takes no changes";
    asks_to_come_again(pulp.client.post(REPOSITORIES, &json!({"name": "s"})).await, why);
    asks_to_come_again(pulp.client.patch(&repository, &json!({"description": "d"})).await, why);
    asks_to_come_again(pulp.client.delete(&repository).await, why);
    pulp.client.get(&repository).await.expect(200);

    for name in ["api", "content"] {
        let address = match name {
            "api" => pulp.client.base.clone(),
            _ => pulp.content.base.clone(),
        };
        pulp.process(name).kill();
        let bind = address.trim_start_matches("http://").to_owned();
        pulp.processes.retain(|process| process.name != name);
        pulp.spawn(name, &[name, "--bind", &bind]);
    }
    let (client, content) = (pulp.client.clone(), pulp.content.clone());
    until("the servers are back", || async {
        let read = client.try_get(&repository).await?;
        let served = content.try_get("/pulp/content/").await?;
        (read.status == 200 && served.status == 200).then_some(())
    })
    .await;

    read_only(&mut database, false).await;
    let task = pulp.client.patch(&repository, &json!({"description": "d"})).await.expect(202);
    pulp.completed(task).await;
    until("the servers are known", || async {
        let status = client.get("/pulp/api/v3/status/").await.expect(200);
        let known = |apps: &str| status[apps].as_array().is_some_and(|apps| !apps.is_empty());
        (known("online_api_apps") && known("online_content_apps")).then_some(())
    })
    .await;
}
