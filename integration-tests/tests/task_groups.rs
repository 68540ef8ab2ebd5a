//! Groups of tasks: what they show, and their cancellation.

use integration_tests::{Fault, Pulp, Upstream, until};
use serde_json::json;

const GROUP: &str = "019a0000-0000-7000-8000-000000000001";

#[tokio::test]
async fn a_group_is_canceled_with_all_its_members() {
    let pulp = Pulp::builder().workers(1).start().await;
    let upstream = Upstream::with_files(1).await;
    upstream.misbehave("PULP_MANIFEST", Fault::Stalled(1));
    let remote = pulp.remote("r", &upstream, "immediate").await;
    let repository = pulp.repository("r").await;
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let answer = pulp.sync(&repository, &remote, false).await;
        tasks.push(answer["task"].as_str().unwrap().to_owned());
    }
    let alone = pulp.sync(&repository, &remote, false).await;
    let alone = alone["task"].as_str().unwrap();
    // Nothing that clients can ask for makes groups yet.
    let mut database = pulp.database().await;
    let ids: Vec<&str> =
        tasks.iter().map(|href| href.trim_end_matches('/').rsplit('/').next().unwrap()).collect();
    let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    let sql = format!(
        "INSERT INTO task_group (pulp_id, pulp_domain_id, description)
             SELECT '{GROUP}', pulp_id, 'three' FROM domain WHERE name = 'default';
         UPDATE task SET task_group_id = '{GROUP}' WHERE pulp_id IN ({})",
        quoted.join(", ")
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut database).await.unwrap();
    until("the first one runs", || async { (upstream.requests("PULP_MANIFEST") > 0).then_some(()) }).await;

    let group = format!("/pulp/api/v3/task-groups/{GROUP}/");
    assert_eq!(pulp.client.get(&group).await.expect(200)["waiting"], 2);
    let told = pulp.client.patch(&group, &json!({"state": "canceled"})).await.expect(200);
    assert_eq!(told["all_tasks_dispatched"], true, "{told:#}");
    for href in &tasks {
        assert_eq!(pulp.monitor_task(href).await["state"], "canceled");
    }
    let told = pulp.client.get(&group).await.expect(200);
    assert_eq!((&told["canceled"], &told["waiting"], &told["running"]), (&json!(3), &json!(0), &json!(0)));
    pulp.client.patch(&group, &json!({"state": "canceled"})).await.expect(409);

    until("the one beside it runs", || async { (upstream.requests("PULP_MANIFEST") > 1).then_some(()) })
        .await;
    pulp.client.patch(alone, &json!({"state": "canceled"})).await.expect(200);
    assert_eq!(pulp.monitor_task(alone).await["state"], "canceled");
}
