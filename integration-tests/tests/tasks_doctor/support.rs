//! An installation under inspection: tasks without workers that know them, Redis past all manners, the two
//! commands.

use std::process::Output;
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Client, cmd};
use integration_tests::{Pulp, executable, until, until_within};
use serde_json::{Value, json};
use uuid::Uuid;

/// The time to live of workers here, in seconds.
pub(crate) const TTL: u64 = 6;

/// How all names in Redis begin here.
pub(crate) const PREFIX: &str = "test[1]:";

/// How long a judgement may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A resource of its own.
pub(crate) fn resource() -> String {
    format!("prn:core.repository:{}", Uuid::new_v4())
}

/// Dispatches tasks by their rows, in their order, as a process does whose doorbell is not heard.
pub(crate) async fn insert(pulp: &Pulp, name: &str, exclusive: &[&str], milliseconds: u64) -> Uuid {
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

pub(crate) async fn state(pulp: &Pulp, task: Uuid) -> String {
    let sql = "SELECT state::text FROM task WHERE pulp_id = $1";
    sqlx::query_scalar(sql).bind(task).fetch_one(&mut pulp.database().await).await.unwrap()
}

pub(crate) async fn reaches(pulp: &Pulp, task: Uuid, wanted: &str) {
    until(&format!("{task} is {wanted}"), || async { (state(pulp, task).await == wanted).then_some(()) })
        .await;
}

pub(crate) async fn cancel(pulp: &Pulp, task: Uuid) {
    let body = json!({"state": "canceled"});
    pulp.client.patch(&format!("/pulp/api/v3/tasks/{task}/"), &body).await;
    reaches(pulp, task, "canceled").await;
}

pub(crate) async fn redis(pulp: &Pulp) -> MultiplexedConnection {
    let client = Client::open(pulp.services().redis_url.as_str()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

pub(crate) async fn push(pulp: &Pulp, queue: &str, message: &[u8]) {
    let key = format!("{PREFIX}{queue}");
    let _: i64 = cmd("RPUSH").arg(key).arg(message).query_async(&mut redis(pulp).await).await.unwrap();
}

/// Runs a command to its end.
pub(crate) async fn run(pulp: &Pulp, arguments: &[&str]) -> Output {
    let mut command = executable::command(&pulp.environment);
    command.args(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// The answer of `queue info`, which always succeeds.
pub(crate) async fn info(pulp: &Pulp) -> Value {
    let output = run(pulp, &["queue", "info", "--json"]).await;
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The exit status of `tasks doctor`, and what it says.
pub(crate) async fn doctor(pulp: &Pulp, options: &[&str]) -> (i32, Value) {
    let output = run(pulp, &[&["tasks", "doctor", "--json"], options].concat()).await;
    let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.code().unwrap(), said)
}

pub(crate) fn codes(said: &Value) -> Vec<&str> {
    said["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// What the doctor says of a task.
pub(crate) fn reason(said: &Value, task: Uuid) -> Value {
    let tasks = said["tasks"].as_array().unwrap();
    let task = tasks.iter().find(|shown| shown["id"] == task.to_string());
    task.unwrap_or_else(|| panic!("{task:?} is not in {said:#}"))["reason"].clone()
}

/// Waits until the doctor finds this, and says so by its exit status.
pub(crate) async fn finds(pulp: &Pulp, code: &str) -> Value {
    until_within(PATIENCE, &format!("the doctor finds {code}"), || async {
        let (status, said) = doctor(pulp, &[]).await;
        (status == 1 && codes(&said).contains(&code)).then_some(said)
    })
    .await
}

pub(crate) async fn is_healthy(pulp: &Pulp) {
    until_within(PATIENCE, "the doctor finds nothing", || async {
        (doctor(pulp, &[]).await.0 == 0).then_some(())
    })
    .await;
}

/// An installation whose workers know the test tasks, and are given up soon.
pub(crate) async fn installation(workers: usize) -> Pulp {
    let pulp = Pulp::builder().under_test().workers(workers);
    pulp.set("PULP_WORKER_TTL", TTL).set("PULP_REDIS_KEY_PREFIX", PREFIX).start().await
}

/// An order as the resource manager writes it.
pub(crate) fn order(task: Uuid, worker: Uuid) -> Vec<u8> {
    let order =
        json!({"v": 1, "task": task, "worker": worker, "epoch": 1, "unblocked_at": "2026-01-01T00:00:00Z"});
    message(&order)
}

/// MessagePack of a flat object of short texts and small numbers.
pub(crate) fn message(fields: &Value) -> Vec<u8> {
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
