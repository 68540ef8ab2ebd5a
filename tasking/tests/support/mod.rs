//! What the tests of this crate run on: a private Postgres and Redis for each, tasks to run, and waiting.

#![allow(
    dead_code,
    unused_macros,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "for tests; each binary uses a part of it"
)]

pub mod servers;
pub mod tasks;

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_redis::redis;
use entities::settings::WorkerStyle;
use entities::task::{self, TaskState};
use entities::{Kinds, Pulp, Settings, db, domain};
use sea_orm::{ConnectionTrait, EntityTrait};
use tasking::resource_manager::{self, ManagerOptions, Outcome, Standby};
use tasking::worker::{self, WorkerOptions};
use tasking::{Dispatcher, Origin, Shutdown, Task};
use tokio::task::JoinHandle;
use uuid::Uuid;

use servers::Servers;

pub const TTL: Duration = Duration::from_millis(1500);
pub const LEASE: Duration = Duration::from_secs(2);

/// Makes two tests of each function: one in each style of tasking.
macro_rules! in_both_styles {
    ($($name:ident),+ $(,)?) => {
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name(entities::settings::WorkerStyle::Redis).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name(entities::settings::WorkerStyle::Postgres).await;
            })+
        }
    };
}

/// An installation without processes.
pub struct Bench {
    pub pulp: Pulp,
    pub dispatcher: Dispatcher,
    pub servers: Servers,
    pub shutdown: Shutdown,
    running: Vec<JoinHandle<()>>,
}

impl Bench {
    pub async fn start() -> Bench {
        Bench::with_settings(|_| {}).await
    }

    /// A bench for one style of tasking; without Redis if that needs none.
    pub async fn of(style: WorkerStyle) -> Bench {
        Bench::with_settings_of(style, |_| {}).await
    }

    /// As [`Bench::of`], with settings that are not quite the usual ones.
    pub async fn with_settings_of(style: WorkerStyle, change: impl FnOnce(&mut Settings)) -> Bench {
        let mut bench = Bench::with_settings(|settings| {
            settings.worker_style = style;
            if style == WorkerStyle::Postgres {
                settings.redis_url = None;
            }
            change(settings);
        })
        .await;
        if style == WorkerStyle::Postgres {
            bench.servers.stop_redis();
        }
        bench
    }

    /// A bench for one style with workers that run, and a manager if it needs one. A slow machine costs them
    /// no task.
    pub async fn busy(style: WorkerStyle, count: usize) -> Bench {
        let patient = |settings: &mut Settings| settings.worker_ttl = TTL * 4;
        let mut bench = Bench::with_settings_of(style, patient).await;
        bench.begin(count);
        bench
    }

    /// The same installation in the other style, as processes see it that are started after the switch.
    pub async fn switch(&mut self, style: WorkerStyle) {
        let mut settings = (*self.pulp.settings).clone();
        settings.worker_style = style;
        self.pulp = Pulp::open(Arc::new(settings), Arc::new(Kinds::new([])), "test").await.unwrap();
        self.dispatcher = Dispatcher::new(self.pulp.clone());
        self.shutdown = Shutdown::new();
    }

    /// Stops what was started with the bench, and leaves the servers running.
    pub async fn rest(&mut self) {
        self.shutdown.graceful();
        for running in self.running.drain(..) {
            tokio::time::timeout(Duration::from_secs(10), running).await.expect("it stops").unwrap();
        }
    }

    /// A bench whose settings are not quite the usual ones.
    pub async fn with_settings(change: impl FnOnce(&mut Settings)) -> Bench {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let servers = Servers::start().await;
        let mut settings = servers.settings();
        settings.worker_ttl = TTL;
        settings.resource_manager_lease = LEASE;
        settings.task_cancel_interval = Duration::from_secs(2);
        change(&mut settings);
        let pulp = Pulp::open(Arc::new(settings), Arc::new(Kinds::new([])), "test").await.unwrap();
        let dispatcher = Dispatcher::new(pulp.clone());
        Bench { pulp, dispatcher, servers, shutdown: Shutdown::new(), running: Vec::new() }
    }

    /// A bench with a manager and workers that run, over Redis.
    pub async fn with_workers(count: usize) -> Bench {
        Bench::busy(WorkerStyle::Redis, count).await
    }

    /// Starts a manager and workers that are stopped with the bench.
    pub fn begin(&mut self, workers: usize) {
        self.manager_that_restarts();
        for number in 0..workers {
            let worker = self.worker(&format!("worker-{number}"));
            self.running.push(tokio::spawn(async move { worker.await.unwrap().unwrap() }));
        }
    }

    /// What supervisord does: starts the manager again whenever it ends without being asked to.
    pub fn manager_that_restarts(&mut self) {
        let (pulp, shutdown) = (self.pulp.clone(), self.shutdown.clone());
        self.running.push(tokio::spawn(async move {
            while !shutdown.is_requested() {
                resource_manager::run(pulp.clone(), ManagerOptions::default(), shutdown.clone())
                    .await
                    .unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }));
    }

    pub fn manager(&self) -> JoinHandle<anyhow::Result<Outcome>> {
        self.manager_with(Standby::Exit, self.shutdown.clone())
    }

    pub fn manager_with(&self, standby: Standby, shutdown: Shutdown) -> JoinHandle<anyhow::Result<Outcome>> {
        tokio::spawn(resource_manager::run(self.pulp.clone(), ManagerOptions { standby }, shutdown))
    }

    pub fn worker(&self, name: &str) -> JoinHandle<anyhow::Result<()>> {
        self.worker_until(name, self.shutdown.clone(), false)
    }

    pub fn worker_until(
        &self,
        name: &str,
        shutdown: Shutdown,
        burst: bool,
    ) -> JoinHandle<anyhow::Result<()>> {
        let options = WorkerOptions { name: Some(name.to_owned()), burst };
        tokio::spawn(worker::run(self.pulp.clone(), tasks::all(), options, shutdown))
    }

    pub async fn dispatch<T: Task>(&self, task: &T) -> Uuid {
        let origin = Origin {
            domain: domain::DEFAULT,
            user: None,
            logging_cid: "test".to_owned(),
            parent: None,
            group: None,
        };
        self.dispatcher.dispatch(task, origin).await.unwrap()
    }

    /// The row of a task. A database that is away for the moment is asked again.
    pub async fn task(&self, id: Uuid) -> task::Model {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            match task::Entity::find_by_id(id).one(&self.pulp.db).await {
                Err(error) if db::is_passing(&error) && Instant::now() < deadline => {}
                found => return found.unwrap().unwrap(),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the task is in this state.
    pub async fn reaches(&self, id: Uuid, state: TaskState) -> task::Model {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let task = self.task(id).await;
            if task.state == state {
                return task;
            }
            assert!(
                Instant::now() < deadline && !task.state.is_final(),
                "the task is {:?} and not {state:?}: {:?}",
                task.state,
                task.error
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until all of these are final.
    pub async fn all_final(&self, ids: &[Uuid]) -> Vec<task::Model> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut tasks = Vec::new();
            for id in ids {
                tasks.push(self.task(*id).await);
            }
            if tasks.iter().all(|task| task.state.is_final()) {
                return tasks;
            }
            let left: Vec<_> = tasks.iter().filter(|task| !task.state.is_final()).collect();
            assert!(Instant::now() < deadline, "{} tasks are left, such as {:?}", left.len(), left[0]);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn epoch(&self) -> i64 {
        let row = self.pulp.db.query_one_raw(db::sql("SELECT epoch FROM leader", [])).await.unwrap();
        row.unwrap().try_get("", "epoch").unwrap()
    }

    pub async fn redis(&self) -> redis::aio::MultiplexedConnection {
        let url = self.pulp.settings.redis_url.clone().unwrap().0;
        redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    /// Stops everything that was started with the bench, and looks that it ends well.
    pub async fn stop(mut self) {
        self.rest().await;
    }
}

/// How long is waited for what must happen, on a machine whose disk may take a second for a commit. A sleeper
/// of whose wake nothing was heard looks after 72 s at the latest.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Time of processors that the host of this virtual machine has given to others until now, as Linux counts
/// it: what was stolen between two moments is nobody's delay.
pub fn stolen() -> Duration {
    let all = std::fs::read_to_string("/proc/stat").unwrap();
    let ticks: u64 = all.lines().next().unwrap().split_whitespace().nth(8).unwrap().parse().unwrap();
    Duration::from_millis(ticks * 10)
}
