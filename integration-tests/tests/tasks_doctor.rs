//! What `queue info` and `tasks doctor` tell of healthy and of broken installations, and what becomes of bad messages.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::process::Output;
use std::time::{Duration, Instant};

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Client, cmd};
use integration_tests::{Process, Pulp, executable, until, until_within};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use uuid::Uuid;

/// The time to live of workers here, in seconds.
const TTL: u64 = 6;

/// How all names in Redis begin here.
const PREFIX: &str = "test[1]:";

/// How long a judgement may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A resource of its own.
fn resource() -> String {
    format!("prn:core.repository:{}", Uuid::new_v4())
}

/// Dispatches tasks by their rows, in their order, as a process does whose doorbell is not heard.
async fn insert(pulp: &Pulp, name: &str, exclusive: &[&str], milliseconds: u64) -> Uuid {
    let id = Uuid::new_v4();
    let args = json!({"exclusive": [], "shared": [], "milliseconds": milliseconds}).to_string();
    let sql = "INSERT INTO task (pulp_id, pulp_domain_id, name, args, exclusive_resources)
               SELECT $1, pulp_id, $2, $3::jsonb, $4 FROM domain";
    let exclusive: Vec<String> = exclusive.iter().map(|name| (*name).to_owned()).collect();
    sqlx::query(sql)
        .bind(id)
        .bind(name)
        .bind(args)
        .bind(exclusive)
        .execute(&mut pulp.database().await)
        .await
        .unwrap();
    id
}

async fn state(pulp: &Pulp, task: Uuid) -> String {
    let sql = "SELECT state::text FROM task WHERE pulp_id = $1";
    sqlx::query_scalar(sql).bind(task).fetch_one(&mut pulp.database().await).await.unwrap()
}

async fn reaches(pulp: &Pulp, task: Uuid, wanted: &str) {
    until(&format!("{task} is {wanted}"), || async { (state(pulp, task).await == wanted).then_some(()) })
        .await;
}

async fn cancel(pulp: &Pulp, task: Uuid) {
    let body = json!({"state": "canceled"});
    pulp.client.patch(&format!("/pulp/api/v3/tasks/{task}/"), &body).await;
    reaches(pulp, task, "canceled").await;
}

async fn redis(pulp: &Pulp) -> MultiplexedConnection {
    let client = Client::open(pulp.services().redis_url.as_str()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

async fn push(pulp: &Pulp, queue: &str, message: &[u8]) {
    let key = format!("{PREFIX}{queue}");
    let _: i64 = cmd("RPUSH").arg(key).arg(message).query_async(&mut redis(pulp).await).await.unwrap();
}

/// Runs a command to its end.
async fn run(pulp: &Pulp, arguments: &[&str]) -> Output {
    let mut command = executable::command(&pulp.environment);
    command.args(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// The answer of `queue info`, which always succeeds.
async fn info(pulp: &Pulp) -> Value {
    let output = run(pulp, &["queue", "info", "--json"]).await;
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The exit status of `tasks doctor`, and what it says.
async fn doctor(pulp: &Pulp, options: &[&str]) -> (i32, Value) {
    let output = run(pulp, &[&["tasks", "doctor", "--json"], options].concat()).await;
    let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.code().unwrap(), said)
}

fn codes(said: &Value) -> Vec<&str> {
    said["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// What the doctor says of a task.
fn reason(said: &Value, task: Uuid) -> Value {
    let tasks = said["tasks"].as_array().unwrap();
    let task = tasks.iter().find(|shown| shown["id"] == task.to_string());
    task.unwrap_or_else(|| panic!("{task:?} is not in {said:#}"))["reason"].clone()
}

/// Waits until the doctor finds this, and says so by its exit status.
async fn finds(pulp: &Pulp, code: &str) -> Value {
    until_within(PATIENCE, &format!("the doctor finds {code}"), || async {
        let (status, said) = doctor(pulp, &[]).await;
        (status == 1 && codes(&said).contains(&code)).then_some(said)
    })
    .await
}

async fn is_healthy(pulp: &Pulp) {
    until_within(PATIENCE, "the doctor finds nothing", || async {
        (doctor(pulp, &[]).await.0 == 0).then_some(())
    })
    .await;
}

/// An installation whose workers know the test tasks, and are given up soon.
async fn installation(workers: usize) -> Pulp {
    let pulp = Pulp::builder().under_test().workers(workers);
    pulp.set("PULP_WORKER_TTL", TTL).set("PULP_REDIS_KEY_PREFIX", PREFIX).start().await
}

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

/// An order as the resource manager writes it.
fn order(task: Uuid, worker: Uuid) -> Vec<u8> {
    let order =
        json!({"v": 1, "task": task, "worker": worker, "epoch": 1, "unblocked_at": "2026-01-01T00:00:00Z"});
    message(&order)
}

/// MessagePack of a flat object of short texts and small numbers.
fn message(fields: &Value) -> Vec<u8> {
    let text = |text: &str| [&[0xd9, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let fields = fields.as_object().unwrap();
    let mut bytes = vec![0x80 | u8::try_from(fields.len()).unwrap()];
    for (name, value) in fields {
        bytes.extend(text(name));
        match value.as_str() {
            Some(value) => bytes.extend(text(value)),
            None => bytes.push(u8::try_from(value.as_u64().unwrap()).unwrap()),
        }
    }
    bytes
}

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
    pulp.spawn("manager-2", &["worker", "--resource-manager", "--standby", "wait"]);
    let said = finds(&pulp, "lease_without_end").await;
    assert_eq!(state(&pulp, task).await, "waiting", "{said:#}");
    let (_, said) = doctor(&pulp, &["--repair"]).await;
    assert!(said["repaired"].to_string().contains("lease"), "{said:#}");
    reaches(&pulp, task, "completed").await;
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
        for role in [&["worker"][..], &["worker", "--resource-manager"], &["api", "--bind", "127.0.0.1:0"]] {
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
