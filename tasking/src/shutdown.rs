//! How a process is asked to stop: in peace, within an interval, or at once.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// A request to stop, shared by everything a process runs; cheap to clone. It only becomes more urgent.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    requested: CancellationToken,
    expired: CancellationToken,
}

impl Shutdown {
    /// Nothing asked for yet.
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Asks to finish what runs, however long it takes, and to begin nothing new (SIGTERM, SIGHUP; T57).
    pub fn graceful(&self) {
        self.requested.cancel();
    }

    /// Asks to begin nothing new and to abort what still runs after `interval` (SIGINT; T57). Needs a Tokio
    /// runtime.
    pub fn within(&self, interval: Duration) {
        self.requested.cancel();
        let expired = self.expired.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(interval) => expired.cancel(),
                () = expired.cancelled() => {}
            }
        });
    }

    /// Asks to abort what runs at once (the second SIGINT).
    pub fn immediate(&self) {
        self.requested.cancel();
        self.expired.cancel();
    }

    /// Whether anybody has asked to stop.
    pub fn is_requested(&self) -> bool {
        self.requested.is_cancelled()
    }

    /// Whether what runs has to be aborted now.
    pub fn is_expired(&self) -> bool {
        self.expired.is_cancelled()
    }

    /// Waits until somebody asks to stop.
    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Waits until what runs has to be aborted.
    pub async fn expired(&self) {
        self.expired.cancelled().await;
    }
}
