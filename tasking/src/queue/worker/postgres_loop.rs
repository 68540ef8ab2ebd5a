//! The loop of a worker that takes its tasks from Postgres: from its registration until it stops, or is
//! reaped.

use std::sync::Arc;
use std::time::Duration;

use entities::Pulp;
use rand::Rng;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::WorkerOptions;
use super::slot::{Exit, Flow, WorkerSlot};
use crate::queue::backoff::Backoff;
use crate::queue::claims::{ClaimReply, Until};
use crate::queue::postgres_style::listener::Listener;
use crate::queue::postgres_style::queue_mover::{self, QueueMover};
use crate::queue::postgres_style::shared_listener::SharedListener;
use crate::queue::postgres_style::steps::{self, ReadyClaim, Search};
use crate::queue::repeats::Repeats;
use crate::queue::runner::{ClaimedTask, any_waiting};
use crate::{Shutdown, Tasks};

/// How long a worker sleeps without being woken, while no shared listener looks at the queue for it.
const POLL: Duration = Duration::from_secs(1);

/// The same while one does.
const POLL_ATTENDED: Duration = Duration::from_secs(60);

/// The same in burst mode.
const POLL_BURST: Duration = Duration::from_millis(100);

/// How long the last notice of a worker may take when it leaves.
const FAREWELL: Duration = Duration::from_secs(2);

/// What comes next for a worker.
enum Next {
    /// It looks for work.
    Look,
    /// There is none.
    Rest,
    /// Something is wrong for the moment.
    Pause,
    End(Exit),
}

/// What has ended a worker's rest.
enum Wake {
    /// It was told.
    Told,
    /// It has looked by itself.
    Poll,
}

/// A worker with an identity, and its way to tasks.
pub(super) struct PostgresLoop<'a> {
    slot: WorkerSlot<'a>,
    names: Vec<String>,
    queue_mover: QueueMover,
    place: steps::SleepPlace,
    burst: bool,
    unreadable: Repeats,
}

impl<'a> PostgresLoop<'a> {
    /// Registers, and opens what is needed.
    pub(super) async fn begin(
        pulp: &Pulp,
        tasks: &Arc<Tasks>,
        options: &WorkerOptions,
        name: &'a str,
        shutdown: &'a Shutdown,
    ) -> anyhow::Result<PostgresLoop<'a>> {
        let slot = WorkerSlot::take(pulp, tasks, name, shutdown).await?;
        let queue_mover = QueueMover::new(&pulp.settings, &slot.id().to_string());
        let names = tasks.names().map(str::to_owned).collect();
        Ok(PostgresLoop {
            slot,
            names,
            queue_mover,
            place: steps::SleepPlace::default(),
            burst: options.burst,
            unreadable: Repeats::default(),
        })
    }

    /// Takes tasks until something ends this life.
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        let (told, cancels) = mpsc::channel(1);
        let _watch = self.slot.watch(cancels);
        let shared = SharedListener {
            pulp: self.slot.runner.pulp.clone(),
            db: self.slot.db.clone(),
            worker: self.slot.id(),
            names: self.names.clone(),
            queue_mover: self.queue_mover.clone(),
        };
        let listener = Listener::start(shared, told);
        let exit = self.take_tasks(&listener).await;
        if matches!(exit, Ok(Exit::Stopped)) {
            // If it was told of work and stops instead, it passes that on.
            let leaving = async {
                let _ = steps::leave(&self.slot.db, self.slot.id()).await;
                let _ = queue_mover::move_queue(&self.slot.db, -1).await;
            };
            let _ = tokio::time::timeout(FAREWELL, leaving).await;
        }
        self.slot.leave(&exit).await;
        exit
    }

    async fn take_tasks(&self, listener: &Listener) -> anyhow::Result<Exit> {
        let gone = self.slot.gone().clone();
        let mut backoff = Backoff::default();
        let mut woken = None;
        loop {
            if self.slot.shutdown.is_requested() {
                return Ok(Exit::Stopped);
            }
            let look = tokio::select! {
                () = self.slot.shutdown.requested() => return Ok(Exit::Stopped),
                () = gone.cancelled() => return Ok(Exit::Reaped),
                look = steps::look(&self.slot.db, &self.place, &self.names) => look,
            };
            if look.is_ok() {
                self.unreadable.over();
            }
            let next = match (look, woken.take()) {
                (Ok(Search { work: true, .. }), _) => self.work(&gone).await?,
                // It was told of what it had found by itself, or another worker had.
                (Ok(Search { listed: true, .. }), None | Some(Wake::Told)) => Next::Rest,
                (Ok(_), None) => self.list().await,
                // There may be a task whose claim has failed.
                (Ok(_), Some(_)) => self.work(&gone).await?,
                (Err(error), _) => {
                    if let Some(times) = self.unreadable.due() {
                        tracing::warn!(%error, times, "cannot read the queue; retrying");
                    }
                    Next::Pause
                }
            };
            match next {
                Next::Look => {}
                Next::End(exit) => return Ok(exit),
                Next::Pause => tokio::select! {
                    () = backoff.pause() => continue,
                    () = self.slot.shutdown.requested() => return Ok(Exit::Stopped),
                    () = gone.cancelled() => return Ok(Exit::Reaped),
                },
                Next::Rest => {
                    if self.burst && !any_waiting(&self.slot.db).await.unwrap_or(true) {
                        return Ok(Exit::Stopped);
                    }
                    tokio::select! {
                        wake = self.rest(listener) => woken = Some(wake),
                        () = self.slot.shutdown.requested() => return Ok(Exit::Stopped),
                        () = gone.cancelled() => return Ok(Exit::Reaped),
                    }
                }
            }
            backoff.reset();
        }
    }

    fn until<'g>(&'g self, gone: &'g CancellationToken) -> Until<'g> {
        Until { gone, shutdown: self.slot.shutdown }
    }

    /// Claims what is ready, and works until nothing is.
    async fn work(&self, gone: &CancellationToken) -> anyhow::Result<Next> {
        let claim = steps::draw_any(self.slot.id());
        self.slot.claims.add(claim);
        let answer = steps::claim(&self.slot.db, claim, &self.names, self.until(gone)).await;
        match answer {
            Some(ReadyClaim { reply: ClaimReply::Claimed(task), more }) => {
                if more {
                    self.queue_mover.wake_for_what_is_left();
                }
                match self.follow(*task, gone).await? {
                    Flow::Continue => Ok(Next::Look),
                    Flow::Reaped => Ok(Next::End(Exit::Reaped)),
                }
            }
            Some(ReadyClaim { reply: ClaimReply::Refused(why), .. }) => {
                self.slot.claims.remove(claim);
                if why == "idle" {
                    return Ok(self.list().await);
                }
                if let Some(times) = self.unreadable.due() {
                    tracing::warn!(why, times, "cannot claim a task; retrying");
                }
                Ok(Next::Pause)
            }
            None if gone.is_cancelled() => Ok(Next::End(Exit::Reaped)),
            None => Ok(Next::End(Exit::Stopped)),
        }
    }

    /// Sleeps until there seems to be work.
    async fn rest(&self, listener: &Listener) -> Wake {
        loop {
            let attended = listener.is_attended();
            let poll = match attended {
                _ if self.burst => POLL_BURST,
                true => POLL_ATTENDED,
                false => POLL,
            };
            let poll = poll.mul_f64(rand::rng().random_range(0.8..1.2));
            tokio::select! {
                () = listener.work() => return Wake::Told,
                () = tokio::time::sleep(poll) => {}
            }
            let any_work = steps::sleep_on(&self.slot.db, self.slot.id(), &self.place, &self.names, attended);
            if self.burst || any_work.await.unwrap_or(true) {
                return Wake::Poll;
            }
        }
    }

    /// Says that the worker sleeps. It looks once more then: what is committed after that sees the sleeper.
    async fn list(&self) -> Next {
        match steps::fall_asleep(&self.slot.db, self.slot.id(), &self.place).await {
            Ok(()) => Next::Look,
            Err(error) => {
                if let Some(times) = self.unreadable.due() {
                    tracing::warn!(%error, times, "cannot list this worker as sleeping; retrying");
                }
                Next::Pause
            }
        }
    }

    /// Runs a task, and then those that were claimed with the end of the one before.
    async fn follow(&self, task: ClaimedTask, gone: &CancellationToken) -> anyhow::Result<Flow> {
        let mut current = Some(task);
        while let Some(task) = current.take() {
            let claim = task.claim;
            let ended = self.slot.run(task).await;
            let last = ended.stuck || self.slot.shutdown.is_requested();
            let next = (!last).then(|| steps::draw_any(self.slot.id()));
            if let Some(next) = next {
                self.slot.claims.add(next);
            }
            let db = &self.slot.db;
            let written =
                steps::finish(db, claim, &ended, next, (&self.names, &self.place), self.until(gone)).await;
            self.slot.claims.remove(claim);
            let Some(answer) = written else {
                anyhow::ensure!(!ended.stuck, self.slot.ignored_cancellation(claim));
                return Ok(self.slot.flow());
            };
            match (next, answer) {
                (Some(_), Some(ReadyClaim { reply: ClaimReply::Claimed(task), more })) => {
                    // What the one has freed is found while the other runs.
                    self.queue_mover.move_soon(more);
                    current = Some(*task);
                }
                (next, _) => {
                    if let Some(next) = next {
                        self.slot.claims.remove(next);
                    }
                    if ended.stuck {
                        let _ = tokio::time::timeout(FAREWELL, queue_mover::move_queue(db, 0)).await;
                        anyhow::bail!(self.slot.ignored_cancellation(claim));
                    }
                }
            }
        }
        Ok(self.slot.flow())
    }
}
