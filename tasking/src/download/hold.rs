//! `Retry-After`: an upstream that is busy is left alone by all downloads of the remote for as long as it
//! says.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rand::Rng;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

/// Waiting downloads go on within this time, not all at once.
const SPREAD: Duration = Duration::from_millis(250);

/// Until when nothing is asked of the upstream.
#[derive(Debug, Default)]
pub(super) struct Hold(Mutex<Option<Instant>>);

impl Hold {
    /// Asks nothing for that long; a longer pause that is under way stays.
    pub(super) fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(held.map_or(until, |held| held.max(until)));
    }

    /// Waits for the end of the pause.
    pub(super) async fn wait(&self) {
        loop {
            let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match until.filter(|until| *until > Instant::now()) {
                None => return,
                Some(until) => {
                    let spread = rand::rng().random_range(Duration::ZERO..SPREAD);
                    tokio::time::sleep_until(until + spread).await;
                }
            }
        }
    }
}

/// How long a response asks to wait (RFC 9110, section 10.2.3), a second at least.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = httpdate::parse_http_date(text).ok()?;
            until.duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.max(Duration::from_secs(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        let read = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(read("6"), Some(Duration::from_secs(6)));
        assert_eq!(read("0"), Some(Duration::from_secs(1)));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(1)));
        let later = read(&httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100))).unwrap();
        assert!(later > Duration::from_secs(90) && later <= Duration::from_secs(100), "{later:?}");
        for text in ["", "-1", "soon"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn the_longest_pause_counts() {
        let hold = Hold::default();
        let began = Instant::now();
        hold.wait().await;
        hold.pause(Duration::from_millis(300));
        hold.pause(Duration::from_millis(10));
        hold.wait().await;
        assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    }
}
