//! Thins out messages that repeat while something is away: the first comes at once, then one a minute with a
//! count.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long after a message the next one of its kind is due.
const PERIOD: Duration = Duration::from_secs(60);

/// One kind of message at one place. Shared by reference; see [`Repeats::due`].
#[derive(Debug, Default)]
pub struct Repeats(Mutex<Option<Series>>);

/// What has happened since the last message.
#[derive(Clone, Copy, Debug)]
struct Series {
    /// When the last message was written.
    written: Instant,
    /// How often it has happened since.
    withheld: u64,
}

impl Repeats {
    /// Counts one occurrence. Returns how many a message written now stands for, or nothing if none is due.
    pub fn due(&self) -> Option<u64> {
        self.due_at(Instant::now())
    }

    /// It works again: the next occurrence is the first of another series.
    pub fn over(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn due_at(&self, now: Instant) -> Option<u64> {
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = match &mut *series {
            None => 1,
            Some(series) => {
                series.withheld += 1;
                if now.duration_since(series.written) < PERIOD {
                    return None;
                }
                series.withheld
            }
        };
        *series = Some(Series { written: now, withheld: 0 });
        Some(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_at_once_then_every_minute_with_a_count_and_at_once_after_it_was_over() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        let messages: Vec<(u64, u64)> = (0..150)
            .filter_map(|second| Some((second, repeats.due_at(start + Duration::from_secs(second))?)))
            .collect();
        assert_eq!(messages, [(0, 1), (60, 60), (120, 60)]);
        repeats.over();
        assert_eq!(repeats.due_at(start + Duration::from_secs(151)), Some(1));
    }
}
