//! The signals that ask the supervisor to stop.

use rustix::process::Signal;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// SIGINT, SIGTERM and SIGHUP, from the moment of its creation.
#[derive(Debug)]
pub(crate) struct StopSignals {
    interrupt: Stream,
    terminate: Stream,
    hangup: Stream,
}

impl StopSignals {
    /// Starts to listen; from now on the signals do not end the program by themselves.
    ///
    /// # Errors
    /// If the system refuses a handler.
    pub(crate) fn listen() -> std::io::Result<StopSignals> {
        Ok(StopSignals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hangup.recv() => Signal::HUP,
        }
    }
}
