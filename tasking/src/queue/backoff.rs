//! Pauses between attempts: they grow, are bounded, and differ between processes.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// The pauses before the jitter, which adds up to as much again.
const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(10))
    .with_max_delay(LONGEST)
    .without_max_times()
    .with_jitter();

const LONGEST: Duration = Duration::from_secs(1);

/// The state of a series of attempts without end.
#[derive(Debug)]
pub(crate) struct Backoff(ExponentialBackoff);

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff(PAUSES.build())
    }
}

impl Backoff {
    /// Waits before the next attempt: 20 ms at most at first, 2 s at most later, half of it random.
    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.0.next().unwrap_or(LONGEST)).await;
    }

    /// Starts over after a success.
    pub(crate) fn reset(&mut self) {
        *self = Backoff::default();
    }
}
