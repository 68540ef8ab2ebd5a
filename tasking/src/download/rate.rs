//! The rate limit of a remote: requests per second, evenly spread (D06).

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior};

/// Lets requests through one by one; without a limit, at once.
#[derive(Debug)]
pub(super) struct RateLimit(Option<(Duration, Mutex<Option<Interval>>)>);

impl RateLimit {
    /// `per_second` requests; null and 0 are no limit.
    pub(super) fn new(per_second: Option<i32>) -> RateLimit {
        let period =
            per_second.filter(|rate| *rate > 0).map(|rate| Duration::from_secs_f64(1.0 / f64::from(rate)));
        RateLimit(period.map(|period| (period, Mutex::new(None))))
    }

    /// Waits for the turn.
    pub(super) async fn wait(&self) {
        let Some((period, interval)) = &self.0 else {
            return;
        };
        let mut interval = interval.lock().await;
        let interval = interval.get_or_insert_with(|| {
            let mut interval = tokio::time::interval(*period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        interval.tick().await;
    }
}
