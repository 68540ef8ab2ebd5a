//! Pulp's own processes: which there are, how they are started, watched and stopped.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use rustix::process::Signal;

use super::environment::Environment;
use crate::supervise::{Child, Part, Show, Supervisor};

/// The status of a manager that does not lead.
const NOT_LEADING: i32 = 75;

/// How long after its end such a manager is started again.
const RELAUNCH_AFTER: Duration = Duration::from_secs(1);

/// How long a part may take to stop before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A role, in the order in which they are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Runs tasks.
    Worker,
    /// Gives tasks to workers.
    Manager,
    /// Serves files.
    Content,
    /// Serves the REST API.
    Api,
}

/// The running processes of Pulp.
#[derive(Debug)]
pub(crate) struct Parts {
    supervisor: Supervisor,
    environment: Environment,
    directory: PathBuf,
    running: Vec<(Launch, Child)>,
}

/// How to start one of them, again if need be.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// What it does.
    pub(crate) role: Role,
    /// How it is called in front of its lines.
    pub(crate) name: String,
    /// The arguments of `pulpcore`.
    pub(crate) arguments: Vec<String>,
}

impl Parts {
    /// None yet. They will run in `directory`.
    pub(crate) fn new(supervisor: &Supervisor, environment: Environment, directory: PathBuf) -> Parts {
        Parts { supervisor: supervisor.clone(), environment, directory, running: Vec::new() }
    }

    /// Starts one more.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) async fn launch(&mut self, launch: Launch) -> anyhow::Result<()> {
        let child = self.start(&launch).await?;
        self.running.push((launch, child));
        Ok(())
    }

    /// Runs a command of `pulpcore`, which reads `input`, to its end.
    ///
    /// # Errors
    /// If it fails; the message has its last lines.
    pub(crate) async fn complete(
        &self,
        name: &str,
        arguments: &[&str],
        input: Option<File>,
    ) -> anyhow::Result<()> {
        let command = self.environment.command(&self.directory, arguments)?;
        // What it says is shown only if it fails.
        let show = Show::Containing(&[]);
        let part = Part { name: name.to_owned(), command, on_death: Signal::KILL, show, input };
        let child = Child::start(&self.supervisor, part).await?;
        let status = child.ended().await;
        if status.success() { Ok(()) } else { Err(child.obituary(status)) }
    }

    /// Watches all of them, starts managers that do not lead again, and returns when another one has died.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        loop {
            if self.running.is_empty() {
                return std::future::pending().await;
            }
            let ends = self.running.iter().map(|(_, child)| Box::pin(child.ended()));
            let (status, index, _) = select_all(ends).await;
            let (launch, child) = self.running.swap_remove(index);
            if launch.role != Role::Manager || status.code() != Some(NOT_LEADING) {
                return child.obituary(status);
            }
            tokio::time::sleep(RELAUNCH_AFTER).await;
            if let Err(error) = self.launch(launch).await {
                return error;
            }
        }
    }

    /// Stops all of them, role by role.
    pub(crate) async fn stop(self) {
        let mut running = self.running;
        for role in [Role::Worker, Role::Manager, Role::Content, Role::Api] {
            let (those, others): (Vec<_>, Vec<_>) =
                running.into_iter().partition(|(launch, _)| launch.role == role);
            join_all(those.iter().map(|(_, child)| child.stop(Signal::TERM, PATIENCE))).await;
            running = others;
        }
    }

    async fn start(&self, launch: &Launch) -> anyhow::Result<Child> {
        let arguments: Vec<&str> = launch.arguments.iter().map(String::as_str).collect();
        let command = self.environment.command(&self.directory, &arguments)?;
        // Without its supervisor a part has no database any more, so there is nothing it could finish.
        let name = launch.name.clone();
        let part = Part { name, command, on_death: Signal::KILL, show: Show::All, input: None };
        Child::start(&self.supervisor, part).await
    }
}
