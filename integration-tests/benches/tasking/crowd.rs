//! Very many workers that have nothing to do, in few processes.

use std::time::Duration;

use rustix::process::Signal;

use crate::installation::Installation;

/// Workers in one process.
const EACH: usize = 250;

/// How long they may take to leave.
const FAREWELL: Duration = Duration::from_secs(60);

/// Sessions that Postgres must take for so many: to beat, and to look at their rows and claim.
pub(crate) fn sessions(workers: usize) -> u32 {
    u32::try_from(4 * workers + 300).unwrap_or(u32::MAX)
}

/// Waits until the first looks of so many are over: each makes the plans of its session, which is no cost of
/// a task.
pub(crate) async fn settle(workers: usize) {
    tokio::time::sleep(
        Duration::from_secs(6) + Duration::from_millis(70) * u32::try_from(workers).unwrap_or_default(),
    )
    .await;
}

/// Lets so many come, as `workers` or as `beats`.
pub(crate) fn come(installation: &mut Installation, role: &str, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    for first in (0..count).step_by(EACH) {
        let prefix = format!("crowd-{first}-");
        installation.play(&prefix, &[role, &prefix, &EACH.min(count - first).to_string()]);
        names.push(prefix);
    }
    names
}

/// Asks them to leave, and waits until they have.
pub(crate) async fn leave(installation: &mut Installation, names: &[String]) {
    for name in names {
        installation.process(name).signal(Signal::TERM);
    }
    for name in names {
        installation.process(name).ended(FAREWELL).await;
        installation.kill(name);
    }
}
