//! What a worker is in either style of tasking: an identity, what it runs tasks with, and what it knows to be
//! its own.

use std::sync::Arc;
use std::time::Duration;

use entities::{Pulp, Settings, db};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::claim_registry::{self, ClaimRegistry};
use super::directories;
use crate::context::Claim;
use crate::queue::heartbeat::beat_interval;
use crate::queue::process::{ProcessKind, Registration};
use crate::queue::runner::{ClaimedTask, Ended, Interrupt, Runner};
use crate::queue::style::Style;
use crate::{Dispatcher, Shutdown, Tasks};

/// Sessions for claims, ends and looks at the worker's own rows.
const LOOKUPS: u32 = 2;

/// How a life ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It was asked to stop, or nothing was left.
    Stopped,
    /// The others have given it up.
    Reaped,
}

/// Whether a life goes on after a task.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    Reaped,
}

/// A worker with an identity.
pub(super) struct WorkerSlot<'a> {
    pub(super) runner: Runner,
    /// For claims and ends, which so never wait for the sessions of a task.
    pub(super) db: DatabaseConnection,
    pub(super) name: &'a str,
    pub(super) claims: ClaimRegistry,
    pub(super) shutdown: &'a Shutdown,
    registration: Registration,
    /// Without a beat for so long, what runs is stopped.
    silence: Duration,
}

impl<'a> WorkerSlot<'a> {
    /// Opens a pool under the identity's name, and empties the working directory. The worker registers when
    /// nothing of its own is left that can fail, and not for longer than its start succeeds.
    pub(super) async fn take(
        pulp: &Pulp,
        tasks: &Arc<Tasks>,
        name: &'a str,
        shutdown: &'a Shutdown,
    ) -> anyhow::Result<WorkerSlot<'a>> {
        let directory = pulp.settings.working_directory.join(name);
        directories::check(&pulp.settings.working_directory, &directory).await?;
        let known: Vec<&str> = tasks.names().collect();
        let ttl = pulp.settings.worker_ttl;
        let registration = Registration::start(pulp, ProcessKind::Worker, name, &known, ttl).await?;
        let id = registration.id();
        let silence = ttl * 2 / 3;
        let opened = async {
            let pools = open_pools(&pulp.settings, id, silence).await?;
            directories::remove(&directory).await?;
            anyhow::Ok(pools)
        };
        let (db, lookups) = match opened.await {
            Ok(pools) => pools,
            Err(error) => {
                withdraw(registration).await;
                return Err(error);
            }
        };
        let pulp = Pulp { db, ..pulp.clone() };
        let runner = Runner {
            dispatcher: Dispatcher::new(pulp.clone()),
            tasks: tasks.clone(),
            directory,
            patience: pulp.settings.task_cancel_interval,
            pulp,
        };
        tracing::info!(%name, %id, "the worker is ready");
        let claims = ClaimRegistry::default();
        Ok(WorkerSlot { runner, db: lookups, name, claims, shutdown, registration, silence })
    }

    /// Why the process has to end that runs this task.
    pub(super) fn ignored_cancellation(&self, claim: Claim) -> String {
        let seconds = self.runner.patience.as_secs_f64();
        format!("Task {} ignored cancellation for {seconds} s; shutting the worker down.", claim.task)
    }

    pub(super) fn id(&self) -> Uuid {
        self.registration.id()
    }

    /// Fires when the others have given the worker up.
    pub(super) fn gone(&self) -> &CancellationToken {
        self.registration.gone()
    }

    pub(super) fn flow(&self) -> Flow {
        if self.gone().is_cancelled() { Flow::Reaped } else { Flow::Continue }
    }

    /// Looks at the worker's rows whenever it is told of a cancel, and at every beat, until the answer is
    /// dropped.
    pub(super) fn watch(&self, told: mpsc::Receiver<()>) -> AbortOnDropHandle<()> {
        let settings = &self.runner.pulp.settings;
        let (style, interval) = (Style::of(settings), beat_interval(settings.worker_ttl));
        let watching =
            claim_registry::watch(self.db.clone(), style, self.id(), self.claims.clone(), told, interval);
        AbortOnDropHandle::new(tokio::spawn(watching))
    }

    /// Runs a task that was claimed.
    pub(super) async fn run(&self, task: ClaimedTask) -> Ended {
        let canceled = self.claims.add(task.claim);
        // After the database was away the claim may be answered sooner than the next beat.
        tokio::select! {
            () = self.heard() => {}
            () = self.gone().cancelled() => {}
            () = self.shutdown.expired() => {}
        }
        let stop = CancellationToken::new();
        let interrupt = async {
            tokio::select! {
                () = canceled.cancelled() => Interrupt::Canceled,
                () = self.shutdown.expired() => Interrupt::Shutdown,
                () = self.gone().cancelled() => Interrupt::Gone,
                () = self.silent() => Interrupt::Silent,
            }
        };
        self.runner.attempt(task, stop, interrupt).await
    }

    /// Removes the working directory, and says that the worker stops unless the others have said so.
    pub(super) async fn leave(self, exit: &anyhow::Result<Exit>) {
        if exit.is_ok() {
            let _ = tokio::fs::remove_dir_all(&self.runner.directory).await;
        }
        if !matches!(exit, Ok(Exit::Reaped)) {
            withdraw(self.registration).await;
        }
    }

    /// Waits until the last successful beat is not too long ago.
    async fn heard(&self) {
        while self.registration.silence() >= self.silence {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the last successful beat is too long ago.
    async fn silent(&self) {
        loop {
            let left = self.silence.saturating_sub(self.registration.silence());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.clamp(Duration::from_millis(5), Duration::from_secs(1))).await;
        }
    }
}

/// Pools under the name of the identity: for tasks, and for looks at single rows.
async fn open_pools(
    settings: &Settings,
    id: Uuid,
    silence: Duration,
) -> Result<(DatabaseConnection, DatabaseConnection), DbErr> {
    let parameters = [
        ("idle_in_transaction_session_timeout", silence.as_millis().to_string()),
        // A task fills tables faster than statistics follow: a plan made for an empty table must not be
        // kept.
        ("plan_cache_mode", "force_custom_plan".to_owned()),
    ];
    let connections = settings.database_connections;
    let tasks = db::connect_with(settings, &id.to_string(), connections, &parameters).await?;
    Ok((tasks, db::connect_for_lookups(settings, &id.to_string(), LOOKUPS).await?))
}

async fn withdraw(registration: Registration) {
    if let Err(error) = registration.stop().await {
        tracing::warn!(%error, "cannot record that this worker stops; it will be reaped");
    }
}
