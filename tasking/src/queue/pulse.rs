//! Whether the runtime that runs tasks still does: what a heartbeat vouches for.
//!
//! The runtime counts; the thread of the heartbeat watches. Time is what the watcher has seen pass, so that a
//! process that was suspended as a whole is not taken for a hung one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

/// How often the runtime counts.
const TICK: Duration = Duration::from_millis(200);

/// A process is not thought to hang before it has stood still for so long, however short its time to live is.
const LEAST: Duration = Duration::from_secs(10);

/// The count of the runtime in which it was started; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Pulse {
    ticks: Arc<AtomicU64>,
    _counting: AbortOnDropHandle<()>,
}

impl Pulse {
    /// Starts to count in the current runtime.
    pub(crate) fn start() -> Pulse {
        let ticks = Arc::new(AtomicU64::new(0));
        let counted = ticks.clone();
        let counting = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(TICK).await;
            }
        });
        Pulse { ticks, _counting: AbortOnDropHandle::new(counting) }
    }

    /// What a thread outside of the runtime watches, for a process that is reaped after `ttl` without a beat.
    pub(crate) fn watch(&self, ttl: Duration) -> Watch {
        Watch { ticks: self.ticks.clone(), seen: 0, still: Duration::ZERO, ttl }
    }
}

/// What the watcher has seen.
#[derive(Debug)]
pub(crate) struct Watch {
    ticks: Arc<AtomicU64>,
    seen: u64,
    still: Duration,
    ttl: Duration,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The runtime runs, or has been busy for a moment.
    Beats,
    /// It has stood still for half of the time to live: nothing is to be vouched for.
    Still,
    /// It has stood still for the whole of it: the process has to end.
    Hangs,
}

impl Watch {
    /// Takes in one look, `passed` after the one before.
    pub(crate) fn look(&mut self, passed: Duration) -> Verdict {
        let ticks = self.ticks.load(Ordering::Relaxed);
        if ticks == self.seen {
            // A look that comes late has been held up itself.
            self.still += passed.min(self.ttl / 4);
        } else {
            (self.seen, self.still) = (ticks, Duration::ZERO);
        }
        if self.still >= self.ttl.max(LEAST) {
            Verdict::Hangs
        } else if self.still >= (self.ttl / 2).max(LEAST / 2) {
            Verdict::Still
        } else {
            Verdict::Beats
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_runtime_that_stands_still_under_watch_hangs() {
        let ticks = Arc::new(AtomicU64::new(1));
        let ttl = Duration::from_secs(30);
        let mut watch = Watch { ticks: ticks.clone(), seen: 0, still: Duration::ZERO, ttl };
        let mut look = |seconds| watch.look(Duration::from_secs(seconds));
        assert_eq!(look(5), Verdict::Beats);
        assert_eq!(look(3600), Verdict::Beats, "the whole process was suspended");
        ticks.store(2, Ordering::Relaxed);
        assert_eq!([0, 5, 5].map(&mut look), [Verdict::Beats; 3]);
        assert_eq!([5, 5, 5].map(&mut look), [Verdict::Still; 3]);
        assert_eq!(look(5), Verdict::Hangs);
        ticks.store(3, Ordering::Relaxed);
        assert_eq!(look(5), Verdict::Beats);
    }
}
