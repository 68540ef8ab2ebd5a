//! A manager and workers that know the tasks of the benchmark, as processes of their own on durable servers.

use std::ffi::OsString;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entities::settings::WorkerStyle;
use entities::{Pulp, db, domain, settings};
use integration_tests::{Process, Pulp as Servers};
use sea_orm::ConnectionTrait;
use tasking::{Dispatcher, Origin};

/// Everything of it goes with the value.
pub(crate) struct Installation {
    pub(crate) servers: Servers,
    pub(crate) pulp: Pulp,
    pub(crate) dispatcher: Dispatcher,
    /// Whether there is a resource manager.
    managed: bool,
    processes: Vec<Process>,
}

impl Installation {
    /// With this many workers.
    pub(crate) async fn start(style: WorkerStyle, workers: usize) -> anyhow::Result<Installation> {
        Installation::with_sessions(style, workers, 300).await
    }

    /// With this many workers, on a Postgres that takes so many sessions.
    pub(crate) async fn with_sessions(
        style: WorkerStyle,
        workers: usize,
        sessions: u32,
    ) -> anyhow::Result<Installation> {
        let builder = Servers::builder()
            .workers(0)
            .managers(0)
            .durable()
            .sessions(sessions)
            .set("PULP_LOG_LEVEL", "warn");
        let managed = style == WorkerStyle::Redis;
        let servers = if managed { builder.start().await } else { builder.without_redis().start().await };
        let environment: Vec<(OsString, OsString)> =
            servers.environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let loaded = settings::load_from(&environment, servers.directory())?;
        let pulp = Pulp::open(Arc::new(loaded.settings), integration_tests::tasks::kinds(), "bench").await?;
        let dispatcher = Dispatcher::new(pulp.clone());
        let mut installation = Installation { servers, pulp, dispatcher, managed, processes: Vec::new() };
        if managed {
            installation.play("manager", &["manager"]);
        }
        for number in 1..=workers {
            installation.play(&format!("worker-{number}"), &["workers", &format!("worker-{number}-"), "1"]);
        }
        installation.await_workers(workers).await?;
        Ok(installation)
    }

    /// Starts a process of this executable in another role.
    pub(crate) fn play(&mut self, name: &str, arguments: &[&str]) {
        let mut command = Command::new(std::env::current_exe().expect("this executable"));
        command.args(arguments).envs(self.servers.environment.iter().cloned());
        self.processes.push(Process::start(name, command, self.servers.directory()));
    }

    /// Ends a process.
    pub(crate) fn kill(&mut self, name: &str) {
        self.processes.retain(|process| process.name != name);
    }

    pub(crate) fn process(&mut self, name: &str) -> &mut Process {
        self.processes.iter_mut().find(|process| process.name == name).expect("a process of that name")
    }

    pub(crate) async fn await_workers(&self, count: usize) -> anyhow::Result<()> {
        let sql =
            "SELECT count(*) FROM process WHERE gone_at IS NULL AND kind IN ('worker', 'resource-manager')";
        let began = Instant::now();
        let expected = count + usize::from(self.managed);
        while self.count(sql).await? < expected as i64 {
            anyhow::ensure!(began.elapsed() < Duration::from_secs(120), "the workers do not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    pub(crate) async fn count(&self, sql: &str) -> anyhow::Result<i64> {
        let row = self.pulp.db.query_one_raw(db::sql(sql, [])).await?;
        Ok(row.ok_or_else(|| anyhow::anyhow!("no row"))?.try_get_by_index(0)?)
    }
}

/// Where the tasks of the benchmark come from.
pub(crate) fn origin() -> Origin {
    Origin { domain: domain::DEFAULT, user: None, logging_cid: "bench".to_owned(), parent: None, group: None }
}
