//! A worker: takes what the resource manager sends it, or what is ready in rows, one task at a time.

mod claim_registry;
mod directories;
mod postgres_loop;
mod redis_loop;
mod slot;

use std::sync::Arc;

use entities::Pulp;

use crate::queue::backoff::Backoff;
use crate::queue::process;
use crate::queue::redis_style::Redis;
use crate::queue::repeats::Repeats;
use crate::queue::style::Style;
use crate::{Shutdown, Tasks};
use postgres_loop::PostgresLoop;
use redis_loop::RedisLoop;
use slot::Exit;

/// How a worker is started.
#[derive(Clone, Debug, Default)]
pub struct WorkerOptions {
    /// Its label and the name of its queue; `%h` becomes the name of the host. `<pid>@<host>` if not given
    /// (T32).
    pub name: Option<String>,
    /// Ends when no task is waiting (T64).
    pub burst: bool,
}

/// Works until `shutdown`, or in burst mode until no task waits.
///
/// # Errors If the label belongs to a live worker, workers of the other style are alive, Redis or Postgres
/// refuse the credentials, or a canceled task cannot be stopped: then the process has to end, which ends the
/// task.
pub async fn run(pulp: Pulp, tasks: Tasks, options: WorkerOptions, shutdown: Shutdown) -> anyhow::Result<()> {
    let name = match &options.name {
        Some(name) => process::expand_name(name),
        None => process::default_name(),
    };
    let odd = |character: char| character.is_control() || character == '/';
    anyhow::ensure!(
        !name.is_empty()
            && name != "."
            && name != ".."
            && name != process::RESOURCE_MANAGER
            && !name.contains(odd),
        "invalid worker name {name:?}: it must not be empty, ., .. or resource-manager, nor contain / or control characters"
    );
    let redis = match Style::of(&pulp.settings) {
        Style::Redis => Some(Redis::open(&pulp.settings)?),
        Style::Postgres => None,
    };
    if let Some(redis) = &redis {
        tokio::select! {
            ready = redis.ready() => ready?,
            () = shutdown.requested() => return Ok(()),
        }
    }
    if let Err(error) = directories::remove_abandoned(&pulp.db, &pulp.settings.working_directory).await {
        tracing::warn!(
            error = format!("{error:#}"),
            "cannot remove the directories of lost workers; will be retried"
        );
    }
    let tasks = Arc::new(tasks);
    let mut backoff = Backoff::default();
    let failing = Repeats::default();
    loop {
        let worker_loop = tokio::select! {
            worker_loop = begin(&pulp, &tasks, redis.as_ref(), &options, &name, &shutdown) => worker_loop,
            () = shutdown.requested() => return Ok(()),
        };
        let worker_loop = match worker_loop {
            Ok(worker_loop) => worker_loop,
            Err(error) if entities::may_pass(&error) => {
                if let Some(times) = failing.due() {
                    tracing::warn!(error = format!("{error:#}"), times, "the worker cannot start; retrying");
                }
                tokio::select! {
                    () = backoff.pause() => continue,
                    () = shutdown.requested() => return Ok(()),
                }
            }
            Err(error) => return Err(error),
        };
        backoff.reset();
        failing.over();
        let exit = match worker_loop {
            WorkerLoop::Orders(worker_loop) => worker_loop.run().await?,
            WorkerLoop::Rows(worker_loop) => worker_loop.run().await?,
        };
        match exit {
            Exit::Stopped => return Ok(()),
            Exit::Reaped => {
                tracing::warn!(%name, "this worker was declared missing; re-registering");
            }
        }
    }
}

/// How a worker comes by its tasks.
enum WorkerLoop<'a> {
    /// The resource manager sends them over Redis.
    Orders(Box<RedisLoop<'a>>),
    /// It takes what is ready in Postgres.
    Rows(Box<PostgresLoop<'a>>),
}

async fn begin<'a>(
    pulp: &Pulp,
    tasks: &Arc<Tasks>,
    redis: Option<&Redis>,
    options: &WorkerOptions,
    name: &'a str,
    shutdown: &'a Shutdown,
) -> anyhow::Result<WorkerLoop<'a>> {
    Ok(match redis {
        Some(redis) => {
            WorkerLoop::Orders(Box::new(RedisLoop::begin(pulp, tasks, redis, options, name, shutdown).await?))
        }
        None => WorkerLoop::Rows(Box::new(PostgresLoop::begin(pulp, tasks, options, name, shutdown).await?)),
    })
}
