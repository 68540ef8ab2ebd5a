//! The whole of Pulp with `USE_NEW_WORKER_STYLE=true` and no Redis in its settings.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use integration_tests::{Pulp, Upstream, executable, until};
use serde_json::{Value, json};

async fn told(pulp: &Pulp, arguments: &[&str]) -> (i32, Value) {
    let mut command = executable::command(&pulp.environment);
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.code().unwrap(), said)
}

#[tokio::test]
async fn everything_works_and_nobody_asks_for_redis() {
    let mut pulp = Pulp::builder().without_redis().workers(2).start().await;
    // As the unit files of the other style start it.
    pulp.spawn("manager", &["worker", "--resource-manager"]);
    let status = pulp.client.get("/pulp/api/v3/status/").await.expect(200);
    assert_eq!(status["redis_connection"], Value::Null, "{status:#}");
    assert_eq!(status["online_workers"].as_array().unwrap().len(), 2, "{status:#}");

    let upstream = Upstream::with_files(20).await;
    let remote = pulp.remote("r", &upstream, "immediate").await;
    let repository = pulp.repository("r").await;
    pulp.completed(pulp.sync(&repository, &remote, false).await).await;
    assert_eq!(pulp.paths(&pulp.latest(&repository).await).await, upstream.paths());

    let (_, info) = told(&pulp, &["queue", "info", "--json"]).await;
    assert_eq!(
        (&info["style"], &info["redis"], &info["leader"]),
        (&json!("postgres"), &Value::Null, &Value::Null)
    );
    let states: Vec<&str> =
        info["workers"].as_array().unwrap().iter().map(|worker| worker["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["idle", "idle"], "{info:#}");
    let (status, said) = told(&pulp, &["tasks", "doctor", "--json"]).await;
    assert_eq!(status, 0, "{said:#}");

    assert!(pulp.process("manager").status().is_none(), "it idles until it is stopped");
    pulp.process("manager").signal(rustix::process::Signal::TERM);
    let manager = pulp.process("manager");
    let mut ended = None;
    until("the manager ends", || {
        ended = manager.status();
        let ended = ended.is_some();
        async move { ended.then_some(()) }
    })
    .await;
    assert!(ended.unwrap().success());
}
