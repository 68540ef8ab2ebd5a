//! The heartbeat of a process, on a thread and a database connection of their own.
//!
//! Neither a busy runtime nor a used up pool holds a beat back; a runtime that stands still does, and after a
//! while the thread ends the process. A beat is not worth a disk flush, so its session runs with
//! `synchronous_commit = off`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use entities::Settings;
use entities::db::{self, Passing};
use rustix::time::{ClockId, clock_gettime};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::queue::pulse::{Pulse, Verdict, Watch};
use crate::queue::repeats::Repeats;

/// One beat of the process `$1`; changes no row once it is reaped.
const BEAT: &str = "UPDATE process_beat SET counter = counter + 1, last_heartbeat = clock_timestamp()
                    WHERE process_id = $1
                      AND EXISTS (SELECT 1 FROM process WHERE pulp_id = $1 AND gone_at IS NULL)";

/// The beats of one process; they stop when this is dropped.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    shared: Arc<Shared>,
    /// Dropped, or fired, ends the thread.
    stop: CancellationToken,
    _pulse: Pulse,
}

#[derive(Debug)]
struct Shared {
    /// When the last beat that succeeded was sent, on the clock that counts suspension; milliseconds.
    last: AtomicU64,
    /// Fires when the process turns out to be reaped.
    gone: CancellationToken,
}

impl Heartbeat {
    /// Starts to beat for the process `id`, whose row is there already, and which is reaped after `ttl`
    /// without a beat. It vouches for the runtime in which this is called.
    pub(crate) fn start(settings: &Arc<Settings>, id: Uuid, ttl: Duration) -> anyhow::Result<Heartbeat> {
        let shared = Arc::new(Shared { last: AtomicU64::new(now()), gone: CancellationToken::new() });
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime of the heartbeat")?;
        let pulse = Pulse::start();
        let body = beat_until(stop.clone(), settings.clone(), id, ttl, shared.clone(), pulse.watch(ttl));
        std::thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || runtime.block_on(body))
            .context("cannot start the thread of the heartbeat")?;
        Ok(Heartbeat { shared, stop, _pulse: pulse })
    }

    /// How long ago the last successful beat was sent; counts the time the machine was suspended.
    pub(crate) fn silence(&self) -> Duration {
        Duration::from_millis(now().saturating_sub(self.shared.last.load(Ordering::Acquire)))
    }

    /// Fires when the process turns out to be reaped.
    pub(crate) fn gone(&self) -> &CancellationToken {
        &self.shared.gone
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn beat_until(
    stop: CancellationToken,
    settings: Arc<Settings>,
    id: Uuid,
    ttl: Duration,
    shared: Arc<Shared>,
    mut watch: Watch,
) {
    let interval = beat_interval(ttl);
    let patience = interval.max(Duration::from_secs(1));
    let mut connection = None;
    let failing = Repeats::default();
    let (mut looked, mut still) = (now(), false);
    loop {
        let sent = now();
        let verdict = watch.look(Duration::from_millis(sent.saturating_sub(looked)));
        looked = sent;
        if verdict != Verdict::Beats {
            if verdict == Verdict::Hangs {
                end_hung_process();
            }
            if !std::mem::replace(&mut still, true) {
                tracing::error!("this process does nothing any more; its heartbeat stops");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => continue,
            }
        }
        still = false;
        let opened = connection.is_some();
        let beaten = tokio::select! {
            () = stop.cancelled() => return,
            beaten = tokio::time::timeout(patience, beat(&mut connection, &settings, id)) => beaten,
        };
        match beaten {
            Ok(Ok(true)) => {
                shared.last.store(sent, Ordering::Release);
                failing.over();
            }
            Ok(Ok(false)) => {
                shared.gone.cancel();
                return;
            }
            Ok(Err(error)) => {
                if Passing::why(&error) == Some(Passing::ReadOnly) {
                    // No process can be reaped there either, and whoever reaps waits anew afterwards.
                    shared.last.store(sent, Ordering::Release);
                }
                if let Some(times) = failing.due() {
                    tracing::warn!(%error, times, "the heartbeat failed; retrying");
                }
                connection = None;
                if opened {
                    continue;
                }
            }
            Err(_) => {
                if let Some(times) = failing.due() {
                    tracing::warn!(times, "the heartbeat timed out; retrying");
                }
                connection = None;
            }
        }
        let spent = Duration::from_millis(now().saturating_sub(sent));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(interval.saturating_sub(spent).max(interval / 4)) => {}
        }
    }
}

/// Ends this process at once: no thread of its runtime could do it, nor what is done at an ordinary end.
fn end_hung_process() {
    tracing::error!("this process hangs; it is ended");
    // For the line above to be written.
    std::thread::sleep(Duration::from_millis(200));
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

/// One beat; false if the process is reaped.
async fn beat(
    connection: &mut Option<DatabaseConnection>,
    settings: &Settings,
    id: Uuid,
) -> Result<bool, DbErr> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(db::connect_for_beats(settings, &id.to_string()).await?),
    };
    Ok(connection.execute_raw(db::sql(BEAT, [id.into()])).await?.rows_affected() > 0)
}

/// Milliseconds of the clock that counts suspension.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    (time.tv_sec as u64) * 1000 + (time.tv_nsec as u64) / 1_000_000
}

/// How often a process beats that is reaped after `ttl` without a beat.
pub(crate) fn beat_interval(ttl: Duration) -> Duration {
    (ttl / 6).clamp(Duration::from_millis(20), Duration::from_secs(5))
}
