//! A Postgres or Redis that is there and refuses, or is held by others, as clients of the servers see it.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::time::{Duration, Instant};

use integration_tests::fixtures::{REPOSITORIES, href};
use integration_tests::{Answer, Client, Fault, Pulp, Upstream, until};
use serde_json::json;
use sqlx::{Connection, PgConnection};

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

#[tokio::test]
async fn a_result_that_the_database_refuses_is_kept_until_it_is_taken() {
    for builder in [Pulp::builder(), Pulp::builder().without_redis()] {
        let pulp = builder.start().await;
        let upstream = Upstream::with_files(1).await;
        let remote = pulp.remote("slow", &upstream, "immediate").await;
        let repository = pulp.repository("slow").await;
        let mut database = pulp.database().await;
        upstream.misbehave(&upstream.paths()[0], Fault::Late(Duration::from_secs(3)));
        let body = json!({"remote": remote});
        let task = pulp.client.post(&format!("{repository}sync/"), &body).await.expect(202);
        let task = task["task"].as_str().unwrap().to_owned();
        until("it runs", || async {
            (pulp.client.get(&task).await.expect(200)["state"] == "running").then_some(())
        })
        .await;
        read_only(&mut database, true).await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        read_only(&mut database, false).await;
        let began = Instant::now();
        until("it is final", || async {
            let state = pulp.client.get(&task).await.expect(200)["state"].clone();
            (state == "completed" || state == "failed").then_some(())
        })
        .await;
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        let text = pulp.client.get(&task).await.expect(200).to_string();
        assert!(!text.contains("lost claim") && !text.contains("at line"), "{text}");
    }
}

#[tokio::test]
async fn the_api_starts_whatever_redis_says() {
    let mut pulp = Pulp::start().await;
    let redis = deadpool_redis::redis::Client::open(pulp.services().redis_url.as_str()).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    let set = ["SET", "requirepass", "changed"];
    let () = deadpool_redis::redis::cmd("CONFIG").arg(&set).query_async(&mut redis).await.unwrap();
    let address = integration_tests::free_address();
    pulp.spawn("api-2", &["api", "--bind", &address]);
    let api = Client::new(&format!("http://{address}"));
    let answer = until("it serves", || api.try_get(REPOSITORIES)).await;
    assert_eq!(answer.status, 200);
    let repository = api.post(REPOSITORIES, &json!({"name": "new"})).await.expect(201);
    api.delete(&href(&repository)).await.expect(202);
}

#[tokio::test]
async fn a_lock_of_others_and_slow_lists_cost_no_other_request() {
    let pulp = Pulp::builder().set("PULP_DATABASE_LOCK_TIMEOUT", 2).start().await;
    let repository = pulp.repository("r").await;
    let mut database = pulp.database().await;
    let mut lock = database.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE repository").execute(&mut *lock).await.unwrap();
    let began = Instant::now();
    let slow = futures_util::future::join_all((0..12).map(|_| pulp.client.get(REPOSITORIES)));
    let quick = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let asked = Instant::now();
        pulp.client.get("/pulp/api/v3/users/1/").await.expect(200);
        asked.elapsed()
    };
    let (slow, quick) = futures_util::future::join(slow, quick).await;
    assert!(quick < Duration::from_millis(1500), "lists leave sessions to others: {quick:?}");
    for answer in slow {
        assert_eq!(answer.status, 503, "after {:?}: {}", began.elapsed(), answer.text());
    }
    let asked = Instant::now();
    let change = pulp.client.patch(&repository, &json!({"description": "changed"})).await;
    assert_eq!(change.status, 503, "{}", change.text());
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    lock.rollback().await.unwrap();
    pulp.client.get(REPOSITORIES).await.expect(200);
}
