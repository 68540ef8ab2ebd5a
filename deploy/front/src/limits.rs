//! What one connection may hold at a time, and when its client counts as stalled.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The requests under way on one connection.
///
/// Its first request always has a place, so that clients with many streams (HTTP/2) cannot take the places of
/// the others; the further ones of all connections share a number of places.
#[derive(Debug)]
pub(crate) struct Requests {
    further: Arc<Semaphore>,
    under_way: AtomicUsize,
    /// Responses that the client could take more of.
    ready: AtomicUsize,
    /// When something of a response was taken last.
    taken: Mutex<Instant>,
}

/// The place of one request, until its response is sent.
#[derive(Debug)]
pub(crate) struct Place {
    requests: Arc<Requests>,
    is_ready: bool,
    _further: Option<OwnedSemaphorePermit>,
}

impl Requests {
    /// Of a new connection.
    pub(crate) fn new(further: Arc<Semaphore>) -> Arc<Requests> {
        let (under_way, ready) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Requests { further, under_way, ready, taken: Mutex::new(Instant::now()) })
    }

    /// A place for another request; none if all are taken.
    pub(crate) fn place(self: &Arc<Requests>) -> Option<Place> {
        let further = match self.under_way.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(None),
            _ => self.further.clone().try_acquire_owned().map(Some),
        };
        match further {
            Ok(further) => Some(Place { requests: self.clone(), is_ready: false, _further: further }),
            Err(_) => {
                self.under_way.fetch_sub(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// Ends when the client has taken nothing of its responses for that long, though something was ready.
    pub(crate) async fn stalled(&self, limit: Duration) {
        loop {
            tokio::time::sleep(limit / 4).await;
            let taken = *self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            if self.ready.load(Ordering::Relaxed) > 0 && taken.elapsed() > limit {
                return;
            }
        }
    }
}

impl Place {
    /// Whether the response waits for its client now: bytes are there and are not asked for.
    pub(crate) fn set_ready(&mut self, is_ready: bool) {
        if is_ready != self.is_ready {
            self.is_ready = is_ready;
            match is_ready {
                true => self.requests.ready.fetch_add(1, Ordering::Relaxed),
                false => self.requests.ready.fetch_sub(1, Ordering::Relaxed),
            };
            *self.requests.taken.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.set_ready(false);
        self.requests.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
