//! Signals, as a worker and as a server understand them (T57).

use std::time::Duration;

use rustix::process::Signal;
use tasking::Shutdown;

use crate::supervise::StopSignals;

/// A worker's: SIGTERM and SIGHUP let the running task finish, SIGINT gives it `grace`, a second SIGINT
/// nothing.
///
/// # Errors
/// If the system refuses a handler.
pub(crate) fn worker(grace: Duration) -> anyhow::Result<Shutdown> {
    let mut signals = StopSignals::listen()?;
    let shutdown = Shutdown::new();
    let asked = shutdown.clone();
    tokio::spawn(async move {
        let mut interrupted = false;
        loop {
            match signals.next().await {
                Signal::INT if interrupted => asked.immediate(),
                Signal::INT => {
                    tracing::info!("interrupted: a running task may go on for {} s", grace.as_secs());
                    interrupted = true;
                    asked.within(grace);
                }
                _ => {
                    tracing::info!("asked to stop: a running task is finished first");
                    asked.graceful();
                }
            }
        }
    });
    Ok(shutdown)
}

/// A server's: the first signal lets requests under way end, the second one does not.
///
/// # Errors
/// If the system refuses a handler.
pub(crate) fn server() -> anyhow::Result<Shutdown> {
    let mut signals = StopSignals::listen()?;
    let shutdown = Shutdown::new();
    let asked = shutdown.clone();
    tokio::spawn(async move {
        signals.next().await;
        tracing::info!("asked to stop: requests under way are finished first");
        asked.graceful();
        signals.next().await;
        asked.immediate();
    });
    Ok(shutdown)
}
