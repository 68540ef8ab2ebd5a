//! How long a task waits when there is nothing else to do, and how soon a cancel is seen.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use entities::settings::WorkerStyle;
use entities::task::{self, TaskState};
use integration_tests::tasks::Noop;
use sea_orm::EntityTrait;
use serde_json::json;
use uuid::Uuid;

use crate::installation::{Installation, origin};
use crate::undisturbed::undisturbed;
use crate::{load, options};

/// Tasks of one measurement.
const TASKS: usize = 500;

/// Cancels of one measurement.
const CANCELS: usize = 30;

/// How long a task may take that has nothing to wait for.
const LIMIT: Duration = Duration::from_secs(20);

/// Prints both.
pub(crate) async fn measure(style: WorkerStyle) -> anyhow::Result<()> {
    let installation = Installation::start(style, 2).await?;
    println!("times {}:", options::title(style));
    let installation = &installation;
    println!("  from acceptance to start: {}", least(async || start(installation).await).await?);
    println!("  from a 202 of the REST API to start: {}", least(async || rest(installation).await).await?);
    println!("  from cancel to the canceled row: {}", least(async || cancel(installation).await).await?);
    Ok(())
}

async fn least(measure: impl AsyncFn() -> anyhow::Result<Quantiles>) -> anyhow::Result<Quantiles> {
    undisturbed(measure, |waits| waits.p50).await
}

/// From the moment a dispatch is answered to the task's start, one task after the other.
pub(crate) async fn start(installation: &Installation) -> anyhow::Result<Quantiles> {
    let mut waits = Vec::new();
    for _ in 0..TASKS {
        let id = installation.dispatcher.dispatch(&load::task(), origin()).await?;
        let accepted = Utc::now();
        tokio::time::sleep(Duration::from_millis(4)).await;
        waits.push(since(accepted, ended(installation, id, TaskState::Completed, LIMIT).await?.started_at));
    }
    Ok(Quantiles::of(waits))
}

/// From the moment a client has the 202 to the task's start, one request after the other.
async fn rest(installation: &Installation) -> anyhow::Result<Quantiles> {
    let client = &installation.servers.client;
    let repository = client
        .post("/pulp/api/v3/repositories/file/file/", &json!({"name": Uuid::now_v7()}))
        .await
        .expect(201);
    let href = repository["pulp_href"].as_str().unwrap_or_default();
    let mut waits = Vec::new();
    for number in 0..TASKS {
        let answer = client.patch(href, &json!({ "description": number.to_string() })).await.expect(202);
        let accepted = Utc::now();
        let task = answer["task"].as_str().unwrap_or_default();
        let id = task.trim_end_matches('/').rsplit('/').next().unwrap_or_default().parse()?;
        tokio::time::sleep(Duration::from_millis(4)).await;
        waits.push(since(accepted, ended(installation, id, TaskState::Completed, LIMIT).await?.started_at));
    }
    Ok(Quantiles::of(waits))
}

async fn cancel(installation: &Installation) -> anyhow::Result<Quantiles> {
    let mut waits = Vec::new();
    for _ in 0..CANCELS {
        let id = installation
            .dispatcher
            .dispatch(&Noop { milliseconds: 60_000, ..Noop::default() }, origin())
            .await?;
        while state(installation, id).await?.state != TaskState::Running {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let asked = Utc::now();
        installation.dispatcher.cancel(id).await?;
        waits.push(since(asked, ended(installation, id, TaskState::Canceled, LIMIT).await?.finished_at));
    }
    Ok(Quantiles::of(waits))
}

/// Waits until a task is in this state, and answers it.
pub(crate) async fn ended(
    installation: &Installation,
    id: Uuid,
    expected: TaskState,
    limit: Duration,
) -> anyhow::Result<task::Model> {
    let began = Instant::now();
    loop {
        let task = state(installation, id).await?;
        if task.state == expected {
            return Ok(task);
        }
        anyhow::ensure!(began.elapsed() < limit, "a task does not end: {task:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn state(installation: &Installation, id: Uuid) -> anyhow::Result<task::Model> {
    let task = task::Entity::find_by_id(id).one(&installation.pulp.db).await?;
    task.ok_or_else(|| anyhow::anyhow!("a task is gone"))
}

fn since(moment: DateTime<Utc>, then: Option<DateTime<Utc>>) -> f64 {
    let then = then.unwrap_or(moment);
    then.signed_duration_since(moment).num_microseconds().unwrap_or_default() as f64 / 1000.0
}

/// Of some numbers; what is shown are milliseconds.
pub(crate) struct Quantiles {
    pub p50: f64,
    pub p99: f64,
}

impl Quantiles {
    /// Of one value at least.
    pub(crate) fn of(mut values: Vec<f64>) -> Quantiles {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        Quantiles { p50: at(0.5), p99: at(0.99) }
    }
}

impl std::fmt::Display for Quantiles {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "p50 {:.2} ms, p99 {:.2} ms", self.p50, self.p99)
    }
}
