//! What the host of a virtual machine takes from it.

use std::time::Duration;

/// Time of processors that the host has given to others until now, as Linux counts it: what was stolen
/// between two moments is nobody's delay.
///
/// # Panics
/// If Linux does not say.
pub fn stolen() -> Duration {
    let all = std::fs::read_to_string("/proc/stat").unwrap();
    let ticks: u64 = all.lines().next().unwrap().split_whitespace().nth(8).unwrap().parse().unwrap();
    Duration::from_millis(ticks * 10)
}
