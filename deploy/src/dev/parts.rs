//! Pulp's own processes: which there are, how they are started, watched and stopped.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use rustix::process::Signal;
use tokio::time::Instant;

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
    /// Managers that did not lead, and when to start them again; the first one first.
    resting: Vec<(Instant, Launch)>,
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
        let (running, resting) = (Vec::new(), Vec::new());
        Parts { supervisor: supervisor.clone(), environment, directory, running, resting }
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
    /// May be given up and called again.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        loop {
            let ended = tokio::select! {
                ended = first_end(&self.running) => Some(ended),
                () = until(self.resting.first()) => None,
            };
            let Some((index, status)) = ended else {
                if let Err(error) = self.relaunch().await {
                    return error;
                }
                continue;
            };
            let leading = status.code() != Some(NOT_LEADING);
            match self.running.get(index) {
                Some((launch, _)) if launch.role == Role::Manager && !leading => {
                    let (launch, _) = self.running.swap_remove(index);
                    self.resting.push((Instant::now() + RELAUNCH_AFTER, launch));
                }
                Some((_, child)) => return child.obituary(status),
                None => {}
            }
        }
    }

    /// Starts the one again that rests longest.
    async fn relaunch(&mut self) -> anyhow::Result<()> {
        if let Some((_, launch)) = self.resting.first().cloned() {
            let child = self.start(&launch).await?;
            self.resting.remove(0);
            self.running.push((launch, child));
        }
        Ok(())
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

/// Waits until one of them ends: which one, and how.
async fn first_end(running: &[(Launch, Child)]) -> (usize, ExitStatus) {
    if running.is_empty() {
        return std::future::pending().await;
    }
    let ends = running.iter().map(|(_, child)| Box::pin(child.ended()));
    let (status, index, _) = select_all(ends).await;
    (index, status)
}

async fn until(resting: Option<&(Instant, Launch)>) {
    match resting {
        Some((when, _)) => tokio::time::sleep_until(*when).await,
        None => std::future::pending().await,
    }
}
