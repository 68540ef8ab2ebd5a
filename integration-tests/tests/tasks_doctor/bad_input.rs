//! What must not be: messages that nobody can read, tasks that nobody knows, processes that may not start.

use deadpool_redis::redis::cmd;
use integration_tests::{Process, Pulp, executable, until};
use serde_json::json;
use uuid::Uuid;

use crate::support::*;

#[tokio::test]
async fn bad_messages_are_kept_aside_and_the_queues_go_on() {
    let mut pulp = installation(1).await;
    let newer = message(&json!({"v": 2, "event": "paused", "task": "all"}));
    let bad = [b"rubbish".to_vec(), newer, message(&json!({"v": 1, "event": "paused"})), Vec::new()];
    for message in &bad {
        push(&pulp, "resource-manager", message).await;
        push(&pulp, "worker-1", message).await;
    }
    let task = insert(&pulp, "test.noop", &[], 0).await;
    reaches(&pulp, task, "completed").await;
    let said = until("all of it is kept aside", || async {
        let said = finds(&pulp, "rejected_messages").await;
        let findings = said["findings"].to_string();
        let all = |queue: &str| findings.contains(&format!("4 messages to {queue} could not be read"));
        (all("resource-manager") && all("worker-1")).then_some(said)
    })
    .await;
    assert_eq!(codes(&said), ["rejected_messages"; 2], "{said:#}");
    let log = pulp.process("manager-1").log();
    assert_eq!(log.matches("a message cannot be read").count(), 4, "logged once each: {log}");
    assert!(log.contains("of version 2; this program knows versions up to 1"), "{log}");

    // Neither is anything lost by a restart, nor is it read again.
    pulp.process("worker-1").kill();
    pulp.spawn("worker-2", &["worker", "--name", "worker-2"]);
    reaches(&pulp, insert(&pulp, "test.noop", &[], 0).await, "completed").await;
    until("the first worker is given up", || async {
        let shown = info(&pulp).await;
        (shown["workers"].as_array().unwrap().iter().any(|worker| worker["state"] == "given_up"))
            .then_some(())
    })
    .await;
    let (status, said) = doctor(&pulp, &["--repair"]).await;
    assert_eq!(status, 0, "{said:#}");
    let repaired = said["repaired"].to_string();
    assert!(repaired.contains("72756262697368"), "the bytes are told: {said:#}");
    assert_eq!(repaired.matches("dropped a message").count(), 8, "{said:#}");
    is_healthy(&pulp).await;
}

#[tokio::test]
async fn a_task_goes_to_workers_that_know_it_and_fails_if_there_are_none() {
    let mut pulp = Pulp::builder().workers(1).set("PULP_WORKER_TTL", TTL).start().await;
    let stranger = insert(&pulp, "test.noop", &[], 0).await;
    let said = finds(&pulp, "unknown_task").await;
    assert_eq!(reason(&said, stranger)["code"], "unknown_task", "{said:#}");
    reaches(&pulp, stranger, "failed").await;
    let answer = pulp.client.get(&format!("/pulp/api/v3/tasks/{stranger}/")).await.expect(200);
    assert_eq!(answer["error"]["reason"], "No plugin of any worker has a task test.noop.");

    let mut knowing = executable::command_under_test(&pulp.environment);
    knowing.args(["worker", "--name", "knowing"]);
    let process = Process::start("knowing", knowing, pulp.directory());
    pulp.processes.push(process);
    let mut tasks = Vec::new();
    for _ in 0..20 {
        tasks.push(insert(&pulp, "test.noop", &[], 1).await);
    }
    for task in tasks {
        reaches(&pulp, task, "completed").await;
    }
    is_healthy(&pulp).await;
}

#[tokio::test]
async fn a_task_of_a_newer_version_waits_for_newer_workers() {
    for redis in [true, false] {
        let builder = Pulp::builder().workers(1).set("PULP_WORKER_TTL", TTL);
        let mut pulp = if redis { builder.start().await } else { builder.without_redis().start().await };
        let mut database = pulp.database().await;
        // As an API says that was updated before the workers.
        let sql =
            "UPDATE process SET tasks = tasks || '{test.noop}' WHERE kind = 'api' AND cardinality(tasks) > 5";
        assert_eq!(sqlx::query(sql).execute(&mut database).await.unwrap().rows_affected(), 1);
        let newer = insert(&pulp, "test.noop", &[], 0).await;
        let stranger = insert(&pulp, "test.no_such", &[], 0).await;
        sqlx::query("INSERT INTO task_change (task_id) SELECT unnest($1)")
            .bind([newer, stranger])
            .execute(&mut database)
            .await
            .unwrap();
        reaches(&pulp, stranger, "failed").await;
        let said = finds(&pulp, "unknown_task").await;
        assert!(said["findings"].to_string().contains("The API is newer than the workers"), "{said:#}");
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert_eq!(state(&pulp, newer).await, "waiting");

        let mut knowing = executable::command_under_test(&pulp.environment);
        knowing.args(["worker", "--name", "knowing"]);
        let process = Process::start("knowing", knowing, pulp.directory());
        pulp.processes.push(process);
        reaches(&pulp, newer, "completed").await;
        is_healthy(&pulp).await;
    }
}

#[tokio::test]
async fn a_process_that_may_not_be_says_why_in_one_line() {
    let pulp = installation(1).await;
    let complaint = complaint(&pulp, &[], &["worker", "--name", "worker-1"]).await;
    assert!(complaint.contains("A worker called worker-1 is running"), "{complaint}");

    let mut connection = redis(&pulp).await;
    let () = cmd("CONFIG").arg(&["SET", "requirepass", "right"]).query_async(&mut connection).await.unwrap();
    let url = &pulp.services().redis_url;
    for (address, said) in [
        (url.clone(), "authentication"),
        (format!("{url}?pass=wrong"), "password"),
        (format!("{url}?pass=right&db=99"), "database"),
    ] {
        for role in [&["worker"][..], &["worker", "--resource-manager"]] {
            let complaint = self::complaint(&pulp, &[("PULP_REDIS_URL", &address)], role).await;
            assert!(complaint.to_lowercase().contains(said), "{role:?} {address}: {complaint}");
        }
    }
}

/// What a process says that ends with an error.
async fn complaint(pulp: &Pulp, settings: &[(&str, &str)], arguments: &[&str]) -> String {
    let mut environment = pulp.environment.clone();
    environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let mut command = executable::command(&environment);
    command.args(arguments);
    let mut process = Process::start(&Uuid::new_v4().to_string(), command, pulp.directory());
    let status = process.ended(PATIENCE).await;
    let log = process.log();
    assert_eq!(status.code(), Some(1), "{log}");
    let lines: Vec<&str> =
        log.lines().filter(|line| line.starts_with("error: ") || line.starts_with("  because: ")).collect();
    assert!(!lines.is_empty() && lines.len() <= 2, "one clear line, and perhaps its cause: {log}");
    lines.join("\n")
}
