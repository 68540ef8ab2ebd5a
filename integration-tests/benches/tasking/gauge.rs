//! How slow the processors are at the moment: what shares them with this machine makes the same work take longer.

use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks to find out how fast they can be.
const FIRST: usize = 2000;

/// Numbers to sort: half a megabyte, so that it depends on the caches, too.
const NUMBERS: usize = 1 << 16;

/// Does a fixed piece of work again and again, until it is dropped.
pub(crate) struct Gauge {
    done: Arc<Mutex<Done>>,
}

/// The pieces of work that were done until some moment.
#[derive(Clone, Copy)]
pub(crate) struct Done {
    /// The processor time of a piece at full speed, in seconds.
    fastest: f64,
    pieces: f64,
    seconds: f64,
}

impl Done {
    /// How many times as long a piece took since then as at full speed.
    pub(crate) fn slowness(self, since: Done) -> f64 {
        (self.seconds - since.seconds) / (self.pieces - since.pieces).max(1.0) / self.fastest
    }
}

impl Gauge {
    /// Takes the fastest of many pieces for full speed.
    pub(crate) fn start() -> Gauge {
        let fastest = (0..FIRST).map(|_| piece()).fold(f64::INFINITY, f64::min);
        let done = Arc::new(Mutex::new(Done { fastest, pieces: 0.0, seconds: 0.0 }));
        let shared = Arc::downgrade(&done);
        std::thread::spawn(move || {
            while let Some(done) = shared.upgrade() {
                let seconds = piece();
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                done.pieces += 1.0;
                done.seconds += seconds;
                drop(done);
                std::thread::sleep(PAUSE);
            }
        });
        Gauge { done }
    }

    /// Until now.
    pub(crate) fn done(&self) -> Done {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds of the thread's processor time for one piece.
fn piece() -> f64 {
    let mut seed = 1_u64;
    let mut numbers: Vec<u64> = (0..NUMBERS)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed
        })
        .collect();
    let began = clock_gettime(ClockId::ThreadCPUTime);
    numbers.sort_unstable();
    black_box(&numbers);
    let ended = clock_gettime(ClockId::ThreadCPUTime);
    (ended.tv_sec - began.tv_sec) as f64 + (ended.tv_nsec - began.tv_nsec) as f64 / 1e9
}
