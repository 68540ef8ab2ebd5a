//! What `queue info` shows: queues and depths, workers, the leader, and how many tasks are unfinished.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use deadpool_redis::redis::RedisResult;
use serde::Serialize;
use uuid::Uuid;

use super::queues::Lengths;
use super::{Inspector, complaint, processes, queues};
use crate::queue::process::RESOURCE_MANAGER;

/// How much of its time to live a process must have been silent at its end to have been given up.
const GIVEN_UP: f64 = 0.9;

/// An installation at one moment. Times are in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// When, by the clock of Postgres.
    pub at: DateTime<Utc>,
    /// `redis`, or `postgres` for tasking without a resource manager.
    pub style: &'static str,
    /// How many tasks are waiting, running and canceling.
    pub tasks: BTreeMap<String, i64>,
    /// Whether Redis answers, and what is in it. None if tasking does without it.
    pub redis: Option<RedisView>,
    /// Who routes tasks. None if tasking does without that.
    pub leader: Option<LeaderView>,
    /// Who runs tasks: everybody alive, and those that were given up within the last hour.
    pub workers: Vec<WorkerView>,
}

/// Redis as it answers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RedisView {
    /// What is the matter with it: `does not answer: …`.
    pub error: Option<String>,
    /// The queue of the resource manager.
    pub resource_manager: Option<QueueView>,
}

/// The lengths of a queue's lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueView {
    /// Messages that nobody has taken.
    pub depth: u64,
    /// Messages that were taken, and whose effect is not done yet.
    pub processing: u64,
    /// Messages that could not be read and are kept aside.
    pub rejected: u64,
}

impl From<Lengths> for QueueView {
    fn from(lengths: Lengths) -> QueueView {
        QueueView { depth: lengths.waiting, processing: lengths.processing, rejected: lengths.rejected }
    }
}

/// Whose assignments count, and who holds the lease.
#[derive(Clone, Debug, Serialize)]
pub struct LeaderView {
    /// The number of its term.
    pub epoch: i64,
    /// Its identity; none if nobody ever led.
    pub process: Option<Uuid>,
    /// Since its election.
    pub since: f64,
    /// Whether it is known to be alive.
    pub alive: bool,
    /// Since its last heartbeat, if it is alive.
    pub heartbeat_age: Option<f64>,
    /// The lease in Redis, if somebody holds it.
    pub lease: Option<LeaseView>,
}

/// The lease.
#[derive(Clone, Debug, Serialize)]
pub struct LeaseView {
    /// The identity of its holder.
    pub holder: Option<Uuid>,
    /// The label of its holder, usually `<pid>@<host>`.
    pub label: String,
    /// How long it runs if nobody renews it; none if it never ends, which is a fault.
    pub remaining: Option<f64>,
    #[serde(skip)]
    pub(super) value: String,
}

/// A worker.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerView {
    /// Its name, and that of its queue.
    pub name: String,
    /// Its identity.
    pub id: Uuid,
    /// What it is doing.
    pub state: WorkerState,
    /// Since its last heartbeat; of one that was given up: since then.
    pub heartbeat_age: f64,
    /// What it runs.
    pub task: Option<RunningTask>,
    /// Its queue, if Redis answers.
    pub queue: Option<QueueView>,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// It has no task.
    Idle,
    /// It has one.
    Busy,
    /// Its heartbeat is late.
    Silent,
    /// It was silent for too long; its tasks have failed.
    GivenUp,
}

impl WorkerState {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkerState::Idle => "idle",
            WorkerState::Busy => "busy",
            WorkerState::Silent => "silent",
            WorkerState::GivenUp => "given up",
        }
    }
}

/// A task that runs.
#[derive(Clone, Debug, Serialize)]
pub struct RunningTask {
    /// The task.
    pub id: Uuid,
    /// Its dotted name.
    pub name: String,
    /// Whether it was told to stop.
    pub canceling: bool,
    /// Since its start.
    pub seconds: f64,
}

impl Inspector {
    /// Looks at everything once. Redis being away is part of the answer.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn overview(&self) -> anyhow::Result<Overview> {
        let at = self.now().await?;
        let processes = processes::processes(&self.db).await?;
        let mut running = processes::running(&self.db).await?;
        let (ttl, patience) = (self.settings.worker_ttl.as_secs_f64(), self.patience().as_secs_f64());
        let mut workers = Vec::new();
        for process in processes.iter().filter(|process| process.kind == "worker") {
            let task = running.remove(&process.id);
            let state = match (process.gone, &task) {
                (Some(_), _) if process.silence < ttl * GIVEN_UP => continue,
                (Some(_), _) => WorkerState::GivenUp,
                (None, _) if process.silence > patience => WorkerState::Silent,
                (None, Some(_)) => WorkerState::Busy,
                (None, None) => WorkerState::Idle,
            };
            let heartbeat_age = process.silence + process.gone.unwrap_or_default();
            let (name, id) = (process.name.clone(), process.id);
            workers.push(WorkerView { name, id, state, heartbeat_age, task, queue: None });
        }
        let mut leader = None;
        if self.is_routed()
            && let Some(row) = processes::leader(&self.db).await?
        {
            let process = processes.iter().find(|process| Some(process.id) == row.process);
            let alive = process.filter(|process| process.gone.is_none());
            leader = Some(LeaderView {
                epoch: row.epoch,
                process: row.process,
                since: row.since,
                alive: alive.is_some(),
                heartbeat_age: alive.map(|process| process.silence),
                lease: None,
            });
        }
        let redis = match self.is_routed() {
            true => Some(self.redis_view(&mut workers, &mut leader).await),
            false => None,
        };
        let style = self.style().name();
        Ok(Overview { at, style, tasks: processes::counts(&self.db).await?, redis, leader, workers })
    }

    async fn redis_view(&self, workers: &mut [WorkerView], leader: &mut Option<LeaderView>) -> RedisView {
        let Some((redis, mut connection)) = self.redis.clone() else {
            let error = "is not configured (set REDIS_URL or REDIS_HOST)".to_owned();
            return RedisView { error: Some(error), resource_manager: None };
        };
        let look: RedisResult<QueueView> = async {
            let lease = queues::lease(&redis, &mut connection).await?;
            if let Some(leader) = leader {
                leader.lease = lease;
            }
            let mut names = vec![RESOURCE_MANAGER];
            names.extend(workers.iter().map(|worker| worker.name.as_str()));
            let lengths = queues::lengths(&redis, &mut connection, &names).await?;
            let (manager, lengths) =
                lengths.split_first().map_or_else(Default::default, |(one, rest)| (*one, rest));
            for (worker, lengths) in workers.iter_mut().zip(lengths) {
                worker.queue = Some((*lengths).into());
            }
            Ok(manager.into())
        }
        .await;
        match look {
            Ok(queue) => RedisView { error: None, resource_manager: Some(queue) },
            Err(error) => RedisView { error: Some(complaint(&error)), resource_manager: None },
        }
    }
}
