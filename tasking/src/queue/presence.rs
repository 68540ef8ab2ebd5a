//! Keeps a server known to the others for as long as it serves (A28).

use std::time::Duration;

use entities::Pulp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Tasks;
use crate::queue::process::{ProcessKind, Registration, default_name};
use crate::queue::repeats::Repeats;

/// Pause after the process could not be made known again.
const PAUSE: Duration = Duration::from_secs(5);

/// How long the end of the process may take to be noted.
const FAREWELL: Duration = Duration::from_secs(5);

/// A server that is known. A process that was reaped, because it could not beat for a while, registers again.
#[derive(Debug)]
pub struct Presence {
    end: CancellationToken,
    kept: JoinHandle<()>,
}

impl Presence {
    /// Makes this process known, with the tasks that it may dispatch: they wait for workers that know them.
    ///
    /// # Errors
    /// If the database does not take its row.
    pub async fn begin(pulp: &Pulp, kind: ProcessKind, tasks: &Tasks) -> anyhow::Result<Presence> {
        let tasks: Vec<&'static str> = tasks.names().collect();
        let registration = register(pulp, kind, &tasks).await?;
        let end = CancellationToken::new();
        let kept = tokio::spawn(keep(pulp.clone(), kind, tasks, registration, end.clone()));
        Ok(Presence { end, kept })
    }

    /// Notes that the process ends.
    pub async fn end(self) {
        self.end.cancel();
        if tokio::time::timeout(FAREWELL, self.kept).await.is_err() {
            tracing::warn!("recording that this process stops timed out; it will be reaped");
        }
    }
}

async fn register(pulp: &Pulp, kind: ProcessKind, tasks: &[&str]) -> anyhow::Result<Registration> {
    let ttl = match kind {
        ProcessKind::Api => pulp.settings.api_app_ttl,
        ProcessKind::Content => pulp.settings.content_app_ttl,
        ProcessKind::Worker | ProcessKind::ResourceManager => pulp.settings.worker_ttl,
    };
    Registration::start(pulp, kind, &default_name(), tasks, ttl).await
}

async fn keep(
    pulp: Pulp,
    kind: ProcessKind,
    tasks: Vec<&'static str>,
    mut registration: Registration,
    end: CancellationToken,
) {
    loop {
        tokio::select! {
            () = end.cancelled() => break,
            () = registration.gone().cancelled() => tracing::warn!("this process was declared missing; re-registering"),
        }
        let failing = Repeats::default();
        registration = loop {
            match register(&pulp, kind, &tasks).await {
                Ok(registration) => break registration,
                Err(error) => {
                    if let Some(times) = failing.due() {
                        tracing::warn!(
                            error = format!("{error:#}"),
                            times,
                            "cannot register this process; retrying"
                        );
                    }
                }
            }
            tokio::select! {
                () = end.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        };
    }
    if let Err(error) = registration.stop().await {
        tracing::warn!(%error, "cannot record that this process stops; it will be reaped");
    }
}
