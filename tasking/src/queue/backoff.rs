//! Pauses between attempts: they grow, are bounded, and differ between processes.

use std::time::Duration;

use rand::Rng;

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(2);

/// The state of a series of attempts.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { next: FIRST }
    }
}

impl Backoff {
    /// Waits before the next attempt: 20 ms at first, 2 s at most, half of it random.
    pub(crate) async fn pause(&mut self) {
        let pause = self.next.mul_f64(rand::rng().random_range(0.5..1.0));
        self.next = (self.next * 2).min(LONGEST);
        tokio::time::sleep(pause).await;
    }

    /// Begins anew after a success.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }
}
