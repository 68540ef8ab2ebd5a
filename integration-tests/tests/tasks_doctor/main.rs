//! What `queue info` and `tasks doctor` tell of healthy and of broken installations, and what becomes of bad
//! messages.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod bad_input;
mod support;

use std::time::{Duration, Instant};

use deadpool_redis::redis::cmd;
use integration_tests::{Process, executable, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use uuid::Uuid;

use support::*;

#[tokio::test]
async fn a_healthy_installation_is_shown_as_it_is() {
    let pulp = installation(2).await;
    is_healthy(&pulp).await;
    let shown = info(&pulp).await;
    let workers = shown["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 2, "{shown:#}");
    for worker in workers {
        assert_eq!(worker["state"], "idle", "{shown:#}");
        assert!(worker["heartbeat_age"].as_f64().unwrap() < TTL as f64 / 3.0, "{shown:#}");
    }
    assert_eq!(shown["leader"]["lease"]["holder"], shown["leader"]["process"], "{shown:#}");
    assert!(shown["leader"]["lease"]["remaining"].as_f64().unwrap() <= 5.0, "{shown:#}");
    assert_eq!(shown["redis"]["resource_manager"]["rejected"], 0, "{shown:#}");

    let (repository, other) = (resource(), resource());
    let first = insert(&pulp, "test.noop", &[&repository], 600_000).await;
    let second = insert(&pulp, "test.noop", &[&repository, &other], 0).await;
    let third = insert(&pulp, "test.noop", &[&other], 0).await;
    reaches(&pulp, first, "running").await;
    let (status, said) = doctor(&pulp, &[]).await;
    assert_eq!(status, 0, "waiting for somebody who works is no fault: {said:#}");
    assert_eq!(reason(&said, first)["code"], "running");
    let blocked = reason(&said, second);
    assert_eq!(blocked["code"], "blocked", "{said:#}");
    assert_eq!(blocked["by"][0]["task"], first.to_string());
    assert_eq!(blocked["by"][0]["resource"], repository);
    assert_eq!(blocked["by"][0]["state"], "running");
    assert_eq!(reason(&said, third)["by"][0]["task"], second.to_string());
    assert_eq!(reason(&said, third)["root"], first.to_string(), "{said:#}");
    assert_eq!(said["totals"], json!({"blocked": 2, "running": 1}));

    let shown = run(&pulp, &["queue", "info"]).await;
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(
        text.contains("busy") && text.contains("test.noop") && text.contains(&first.to_string()),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(!text.contains('\x1b'), "no colours in a pipe: {text}");
    let said = run(&pulp, &["tasks", "doctor"]).await;
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(text.contains(&format!("waits for {repository}")), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    cancel(&pulp, first).await;
    reaches(&pulp, third, "completed").await;
    assert_eq!(run(&pulp, &["tasks", "doctor", "--limit", "many"]).await.status.code(), Some(2));
}

#[tokio::test]
async fn it_is_said_when_nobody_leads_or_works() {
    let mut pulp = installation(0).await;
    let said = finds(&pulp, "no_worker").await;
    assert!(!codes(&said).contains(&"no_leader"), "{said:#}");
    let task = insert(&pulp, "test.noop", &[], 0).await;
    let (_, said) = doctor(&pulp, &[]).await;
    assert_eq!(reason(&said, task)["code"], "no_worker", "{said:#}");

    pulp.process("manager-1").kill();
    let said = finds(&pulp, "no_leader").await;
    assert!(codes(&said).contains(&"no_worker"), "{said:#}");
    pulp.spawn("worker-1", &["worker", "--name", "worker-1"]);
    until("the worker is seen", || async {
        let (_, said) = doctor(&pulp, &[]).await;
        (reason(&said, task)["code"] == "no_leader").then_some(())
    })
    .await;
    pulp.spawn("manager-2", &["worker", "--resource-manager", "--standby", "wait"]);
    reaches(&pulp, task, "completed").await;
    is_healthy(&pulp).await;
}

#[tokio::test]
async fn redis_may_be_away_or_emptied() {
    let pulp = installation(1).await;
    let server = Pid::from_raw(pulp.services().redis_pid).unwrap();
    kill_process(server, Signal::STOP).unwrap();
    let task = insert(&pulp, "test.noop", &[], 0).await;
    let shown = info(&pulp).await;
    assert!(shown["redis"]["error"].is_string(), "{shown:#}");
    assert_eq!(shown["workers"][0]["name"], "worker-1", "{shown:#}");
    assert_eq!(shown["tasks"]["waiting"], 1, "{shown:#}");
    let (status, said) = doctor(&pulp, &[]).await;
    assert_eq!((status, reason(&said, task)["code"].as_str()), (1, Some("no_redis")), "{said:#}");
    assert!(codes(&said).contains(&"redis_away"), "{said:#}");

    kill_process(server, Signal::CONT).unwrap();
    reaches(&pulp, task, "completed").await;
    is_healthy(&pulp).await;

    let () = cmd("FLUSHALL").query_async(&mut redis(&pulp).await).await.unwrap();
    is_healthy(&pulp).await;
    let task = insert(&pulp, "test.noop", &[], 0).await;
    reaches(&pulp, task, "completed").await;
}

#[tokio::test]
async fn what_a_killed_worker_leaves_is_found_and_mended() {
    let mut pulp = installation(2).await;
    // Both are held, so that the tasks behind cannot be taken by the other one.
    let running = insert(&pulp, "test.noop", &[], 600_000).await;
    let other = insert(&pulp, "test.noop", &[], 600_000).await;
    reaches(&pulp, running, "running").await;
    reaches(&pulp, other, "running").await;
    let sql =
        "SELECT process.name FROM process JOIN task ON worker_id = process.pulp_id WHERE task.pulp_id = $1";
    let victim: String =
        sqlx::query_scalar(sql).bind(running).fetch_one(&mut pulp.database().await).await.unwrap();
    let sql = "SELECT pulp_id FROM process WHERE name = $1 AND gone_at IS NULL";
    let id: Uuid = sqlx::query_scalar(sql).bind(&victim).fetch_one(&mut pulp.database().await).await.unwrap();
    pulp.process(&victim).kill();
    push(&pulp, &victim, &order(running, id)).await;
    // And what another one left, long ago and unseen by anybody.
    push(&pulp, "departed", &order(other, id)).await;
    push(&pulp, "departed:processing", &order(running, id)).await;

    let said = finds(&pulp, "silent_worker").await;
    assert!(said["findings"].to_string().contains(&victim), "{said:#}");
    reaches(&pulp, running, "failed").await;
    let lists = async |name: &str| -> i64 {
        let names = [format!("{PREFIX}{name}"), format!("{PREFIX}{name}:processing")];
        cmd("EXISTS").arg(&names).query_async(&mut redis(&pulp).await).await.unwrap()
    };
    until("the queue of the killed worker is deleted", || async {
        (lists(&victim).await == 0).then_some(())
    })
    .await;
    let said = finds(&pulp, "list_without_owner").await;
    assert_eq!(said["healthy"], false);
    let shown = info(&pulp).await;
    let worker = shown["workers"].as_array().unwrap().iter().find(|worker| worker["name"] == victim.as_str());
    assert_eq!(worker.unwrap()["state"], "given_up", "{shown:#}");

    let (status, said) = doctor(&pulp, &["--repair"]).await;
    assert_eq!(status, 0, "{said:#}");
    assert!(said["repaired"].to_string().contains("departed"), "everything it does is told: {said:#}");
    assert_eq!(lists("departed").await, 0);
    assert_eq!(state(&pulp, other).await, "running", "what a live process owns is left alone");
    cancel(&pulp, other).await;
}

#[tokio::test]
async fn it_is_shown_again_and_again_also_while_postgres_is_away() {
    let pulp = installation(1).await;
    let mut command = executable::command(&pulp.environment);
    command.args(["queue", "info", "--watch", "0.2"]);
    let mut watch = Process::start("watch", command, pulp.directory());
    until("it is shown again", || async { (watch.log().matches("worker-1").count() > 2).then_some(()) })
        .await;
    let server = Pid::from_raw(pulp.services().postgres_pid).unwrap();
    kill_process(server, Signal::INT).unwrap();
    until("it is seen that Postgres is gone", || async {
        watch.log().contains("Postgres  does not answer").then_some(())
    })
    .await;
    assert!(watch.status().is_none(), "it goes on");
    watch.signal(Signal::INT);
    assert!(watch.ended(PATIENCE).await.success());
    let output = run(&pulp, &["queue", "info"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("error: Postgres does not answer"), "{complaint}");
}

#[tokio::test]
async fn a_lease_without_end_is_mended() {
    let mut pulp = installation(1).await;
    pulp.process("manager-1").kill();
    let () = cmd("SET")
        .arg(&[format!("{PREFIX}resource-manager:lease"), "somebody".to_owned()])
        .query_async(&mut redis(&pulp).await)
        .await
        .unwrap();
    let task = insert(&pulp, "test.noop", &[], 0).await;
    let said = finds(&pulp, "lease_without_end").await;
    assert_eq!(state(&pulp, task).await, "waiting", "{said:#}");
    let (_, said) = doctor(&pulp, &["--repair"]).await;
    assert!(said["repaired"].to_string().contains("lease"), "{said:#}");
    pulp.spawn("manager-2", &["worker", "--resource-manager", "--standby", "wait"]);
    reaches(&pulp, task, "completed").await;
    is_healthy(&pulp).await;
}

#[tokio::test]
async fn a_hundred_thousand_waiting_tasks_are_judged_in_seconds() {
    const TASKS: i64 = 100_000;
    let pulp = installation(0).await;
    let mut database = pulp.database().await;
    let sql = "INSERT INTO task (pulp_id, pulp_domain_id, name, exclusive_resources, shared_resources)
               SELECT gen_random_uuid(), domain.pulp_id, 'test.noop', ARRAY['prn:core.repository:' || number % 1000],
                      ARRAY['prn:core.remote:' || number % 10, 'prn:core.domain:' || domain.pulp_id]
               FROM domain, generate_series(1, $1) AS number";
    sqlx::query(sql).bind(TASKS).execute(&mut database).await.unwrap();
    let began = Instant::now();
    let (status, said) = doctor(&pulp, &[]).await;
    let took = began.elapsed();
    println!("the doctor took {took:?}, two looks and their pause");
    assert_eq!(status, 1);
    assert_eq!(said["totals"], json!({"blocked": TASKS - 1000, "no worker": 1000}));
    assert_eq!(said["tasks"].as_array().unwrap().len(), 20);
    assert!(took < Duration::from_secs(60), "{took:?}");
    let (_, said) = doctor(&pulp, &["--limit", "1001"]).await;
    let last = &said["tasks"][1000]["reason"];
    assert_eq!(
        (&last["code"], &last["by"][0]["task"]),
        (&json!("blocked"), &said["tasks"][0]["id"]),
        "{last:#}"
    );
    assert_eq!(info(&pulp).await["tasks"]["waiting"], TASKS);
    sqlx::query("DELETE FROM task").execute(&mut database).await.unwrap();
}
