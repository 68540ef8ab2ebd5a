//! Keeps a server known to the others for as long as it serves (A28).

use std::time::Duration;

use entities::Pulp;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Tasks;
use crate::queue::process::{ProcessKind, Registration, default_name};
use crate::queue::repeats::Repeats;

/// How long a start waits for the process to be known.
const START: Duration = Duration::from_secs(2);

/// Pause after the process could not be made known.
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
    /// Makes this process known, with the tasks that it may dispatch: they wait for workers that know them. A
    /// database that cannot take its row for the moment is no reason not to serve; it is asked again.
    ///
    /// # Errors
    /// If the database refuses its row for good.
    pub async fn begin(pulp: &Pulp, kind: ProcessKind, tasks: &Tasks) -> anyhow::Result<Presence> {
        let tasks: Vec<&'static str> = tasks.names().collect();
        let end = CancellationToken::new();
        let (told, mut first) = oneshot::channel();
        let kept = tokio::spawn(keep(pulp.clone(), kind, tasks, told, end.clone()));
        let presence = Presence { end, kept };
        match tokio::time::timeout(START, &mut first).await {
            Ok(Ok(Err(error))) if !entities::may_pass(&error) => Err(error),
            _ => Ok(presence),
        }
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

/// Keeps the process registered until `end`. Tells what came of the first attempt.
async fn keep(
    pulp: Pulp,
    kind: ProcessKind,
    tasks: Vec<&'static str>,
    told: oneshot::Sender<anyhow::Result<()>>,
    end: CancellationToken,
) {
    let mut told = Some(told);
    loop {
        let failing = Repeats::default();
        let registration = loop {
            let registered = tokio::select! {
                () = end.cancelled() => return,
                registered = register(&pulp, kind, &tasks) => registered,
            };
            let error = match registered {
                Ok(registration) => break registration,
                Err(error) => error,
            };
            if let Some(times) = failing.due() {
                tracing::warn!(error = format!("{error:#}"), times, "cannot register this process; retrying");
            }
            if let Some(told) = told.take() {
                let lasts = !entities::may_pass(&error);
                let _ = told.send(Err(error));
                if lasts {
                    return;
                }
            }
            tokio::select! {
                () = end.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        };
        if let Some(told) = told.take() {
            let _ = told.send(Ok(()));
        }
        tokio::select! {
            () = end.cancelled() => {
                if let Err(error) = registration.stop().await {
                    tracing::warn!(%error, "cannot record that this process stops; it will be reaped");
                }
                return;
            }
            () = registration.gone().cancelled() => {
                tracing::warn!("this process was declared missing; re-registering");
            }
        }
    }
}
