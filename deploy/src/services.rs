//! A private Postgres and a private Redis: real servers in a data directory, reachable through unix sockets
//! only.
//!
//! They listen on no port, so they clash with nothing and nobody else reaches them. Postgres keeps what it is
//! given; Redis keeps nothing over a restart, because everything in it can be rebuilt from Postgres.

mod account;
pub(crate) mod command;
mod data_directory;
mod find;
pub(crate) mod postgres;
mod redis;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde::Serialize;

pub(crate) use data_directory::DataDirectory;

use crate::supervise::{Child, Supervisor};

/// How long a server may take to stop before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Name of the database and of its owner.
pub(crate) const DATABASE: &str = "pulp";

/// Which servers to start, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// A Postgres.
    pub(crate) postgres: bool,
    /// A Redis.
    pub(crate) redis: bool,
    /// Whether a commit survives a crash of the machine. Off only for tests and throw-away data.
    pub(crate) durable: bool,
    /// How many sessions Postgres takes.
    pub(crate) sessions: u32,
}

/// How to reach what was started.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Addresses {
    /// `postgres://…` for a client that takes a URL.
    pub(crate) database_url: Option<String>,
    /// The directory of Postgres's socket: `PULP_DATABASES__default__HOST`.
    pub(crate) database_host: Option<String>,
    /// `redis+unix://…`: `PULP_REDIS_URL`.
    pub(crate) redis_url: Option<String>,
    /// Postgres's process.
    pub(crate) postgres_pid: Option<i32>,
    /// Redis's process.
    pub(crate) redis_pid: Option<i32>,
}

impl Addresses {
    /// The settings that make a process of Pulp use the servers.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        if let Some(host) = &self.database_host {
            variables.extend([
                ("PULP_DATABASES__default__HOST".into(), host.clone()),
                ("PULP_DATABASES__default__PORT".into(), postgres::PORT.into()),
                ("PULP_DATABASES__default__NAME".into(), DATABASE.into()),
                ("PULP_DATABASES__default__USER".into(), DATABASE.into()),
            ]);
        }
        if let Some(url) = &self.redis_url {
            variables.push(("PULP_REDIS_URL".into(), url.clone()));
        }
        variables
    }
}

/// The running servers. Dropping it kills them; [`Services::stop`] is the orderly way.
#[derive(Debug)]
pub(crate) struct Services {
    /// How to reach them.
    pub(crate) addresses: Addresses,
    postgres: Option<Child>,
    redis: Option<Child>,
}

impl Services {
    /// Starts what is wanted and returns when it answers. A new data directory is filled first, which takes
    /// some seconds.
    ///
    /// # Errors
    /// If a server is not installed, does not start, or cannot use the directory.
    pub(crate) async fn start(
        supervisor: &Supervisor,
        directory: &DataDirectory,
        wanted: Wanted,
    ) -> anyhow::Result<Services> {
        let mut services = Services { addresses: Addresses::default(), postgres: None, redis: None };
        if wanted.redis {
            let child = redis::start(supervisor, directory).await?;
            services.addresses.redis_url = Some(redis::url(directory));
            services.addresses.redis_pid = Some(child.pid());
            services.redis = Some(child);
        }
        if wanted.postgres {
            let child = postgres::start(supervisor, directory, wanted.durable, wanted.sessions).await?;
            services.addresses.database_url = Some(postgres::url(directory, DATABASE));
            services.addresses.database_host = Some(directory.sockets().display().to_string());
            services.addresses.postgres_pid = Some(child.pid());
            services.postgres = Some(child);
        }
        Ok(services)
    }

    /// Waits until one of the servers ends by itself, and says how it did.
    pub(crate) async fn failed(&self) -> anyhow::Error {
        tokio::select! {
            error = failure(self.postgres.as_ref()) => error,
            error = failure(self.redis.as_ref()) => error,
        }
    }

    /// Stops Redis, then Postgres, which ends its sessions and writes a checkpoint.
    pub(crate) async fn stop(self) {
        if let Some(redis) = self.redis {
            redis.stop(Signal::TERM, PATIENCE).await;
        }
        if let Some(postgres) = self.postgres {
            postgres.stop(Signal::INT, PATIENCE).await;
        }
    }
}

async fn failure(child: Option<&Child>) -> anyhow::Error {
    match child {
        Some(child) => child.obituary(child.ended().await),
        None => std::future::pending().await,
    }
}

/// A program without the settings of Pulp, some of which are secret, and without the variables of Postgres's
/// clients.
fn without_settings(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("PG") || text.starts_with("PULP_") {
            command.env_remove(&name);
        }
    }
    command
}
