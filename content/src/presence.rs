//! Keeps the process known to the others for as long as it serves (A28).

use std::time::Duration;

use entities::Pulp;
use tasking::process::{ProcessKind, Registration, default_name};
use tokio_util::sync::CancellationToken;

/// Pause after the process could not be made known again.
const PAUSE: Duration = Duration::from_secs(5);

/// Makes the process known.
pub(crate) async fn register(pulp: &Pulp) -> anyhow::Result<Registration> {
    let ttl = pulp.settings.content_app_ttl;
    Registration::start(pulp, ProcessKind::Content, &default_name(), ttl).await
}

/// Stays known until `end`: a process that was given up, because it could not beat for a while, registers anew.
pub(crate) async fn keep(pulp: Pulp, mut registration: Registration, end: CancellationToken) {
    loop {
        tokio::select! {
            () = end.cancelled() => break,
            () = registration.gone().cancelled() => tracing::warn!("this process was given up, it registers anew"),
        }
        registration = loop {
            match register(&pulp).await {
                Ok(registration) => break registration,
                Err(error) => tracing::warn!("this process cannot be registered: {error:#}"),
            }
            tokio::select! {
                () = end.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        };
    }
    if let Err(error) = registration.stop().await {
        tracing::warn!(%error, "the end of this process could not be noted");
    }
}
