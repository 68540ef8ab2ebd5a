//! One life of a worker that takes its tasks from rows: from its registration until it stops, or is given up.

use std::sync::Arc;
use std::time::Duration;

use entities::Pulp;
use rand::Rng;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::WorkerOptions;
use super::seat::{Death, Flow, Seat};
use crate::backoff::Backoff;
use crate::postgres::ear::Ear;
use crate::postgres::listener::Listener;
use crate::postgres::promoter::{self, Promoter};
use crate::postgres::steps::{self, Answer, Look};
use crate::run::{Claimed, any_waiting};
use crate::{Shutdown, Tasks};

/// How long a worker sleeps that nobody wakes, while nobody looks at the queue for it.
const POLL: Duration = Duration::from_secs(1);

/// The same while somebody does.
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
    End(Death),
}

/// What has ended a worker's rest.
enum Wake {
    /// It was told.
    Told,
    /// It has looked by itself.
    Poll,
}

/// A worker with an identity, and its way to tasks.
pub(super) struct RowsLife<'a> {
    seat: Seat<'a>,
    names: Vec<String>,
    promoter: Promoter,
    place: steps::Place,
    burst: bool,
}

impl<'a> RowsLife<'a> {
    /// Registers, and opens what is needed.
    pub(super) async fn begin(
        pulp: &Pulp,
        tasks: &Arc<Tasks>,
        options: &WorkerOptions,
        name: &'a str,
        shutdown: &'a Shutdown,
    ) -> anyhow::Result<RowsLife<'a>> {
        let seat = Seat::take(pulp, tasks, name, shutdown).await?;
        let promoter = Promoter::new(&pulp.settings, &seat.id().to_string());
        let names = tasks.names().map(str::to_owned).collect();
        Ok(RowsLife { seat, names, promoter, place: steps::Place::default(), burst: options.burst })
    }

    /// Takes tasks until something ends this life.
    pub(super) async fn live(self) -> anyhow::Result<Death> {
        let (told, cancels) = mpsc::channel(1);
        let _watch = self.seat.watch(cancels);
        let ear = Ear {
            pulp: self.seat.runner.pulp.clone(),
            db: self.seat.db.clone(),
            worker: self.seat.id(),
            names: self.names.clone(),
            promoter: self.promoter.clone(),
        };
        let listener = Listener::start(ear, told);
        let death = self.take_tasks(&listener).await?;
        if death == Death::Stopped {
            // Whoever was told of work and stops instead passes it on.
            let leaving = async {
                let _ = steps::leave(&self.seat.db, self.seat.id()).await;
                let _ = promoter::promote(&self.seat.db, -1).await;
            };
            let _ = tokio::time::timeout(FAREWELL, leaving).await;
        }
        self.seat.leave(&death).await;
        Ok(death)
    }

    async fn take_tasks(&self, listener: &Listener) -> anyhow::Result<Death> {
        let gone = self.seat.gone().clone();
        let mut backoff = Backoff::default();
        let mut woken = None;
        loop {
            if self.seat.shutdown.is_requested() {
                return Ok(Death::Stopped);
            }
            let look = tokio::select! {
                () = self.seat.shutdown.requested() => return Ok(Death::Stopped),
                () = gone.cancelled() => return Ok(Death::GivenUp),
                look = steps::look(&self.seat.db, &self.place, &self.names) => look,
            };
            let next = match (look, woken.take()) {
                (Ok(Look { work: true, .. }), _) => self.work(&gone).await?,
                // It was told of what it had found by itself, or somebody else had.
                (Ok(Look { listed: true, .. }), None | Some(Wake::Told)) => Next::Rest,
                (Ok(_), None) => self.list().await,
                // There may be a task whose claim has failed.
                (Ok(_), Some(_)) => self.work(&gone).await?,
                (Err(error), _) => {
                    tracing::warn!(%error, "the queue cannot be looked at; trying again");
                    Next::Pause
                }
            };
            match next {
                Next::Look => {}
                Next::End(death) => return Ok(death),
                Next::Pause => tokio::select! {
                    () = backoff.pause() => continue,
                    () = self.seat.shutdown.requested() => return Ok(Death::Stopped),
                    () = gone.cancelled() => return Ok(Death::GivenUp),
                },
                Next::Rest => {
                    if self.burst && !any_waiting(&self.seat.db).await.unwrap_or(true) {
                        return Ok(Death::Stopped);
                    }
                    tokio::select! {
                        wake = self.rest(listener) => woken = Some(wake),
                        () = self.seat.shutdown.requested() => return Ok(Death::Stopped),
                        () = gone.cancelled() => return Ok(Death::GivenUp),
                    }
                }
            }
            backoff.reset();
        }
    }

    /// Claims what is ready, and works until nothing is.
    async fn work(&self, gone: &CancellationToken) -> anyhow::Result<Next> {
        let claim = steps::draw_any(self.seat.id());
        self.seat.known.add(claim);
        let answer = steps::claim(&self.seat.db, claim, &self.names, gone, self.seat.shutdown).await;
        match answer {
            Some(Answer::Claimed { task, more }) => {
                if more {
                    self.promoter.wake_for_what_is_left();
                }
                match self.follow(*task, gone).await? {
                    Flow::GoOn => Ok(Next::Look),
                    Flow::GivenUp => Ok(Next::End(Death::GivenUp)),
                }
            }
            Some(Answer::Nothing(why)) => {
                self.seat.known.remove(claim);
                if why == "idle" {
                    return Ok(self.list().await);
                }
                tracing::warn!(why, "no task can be claimed; trying again");
                Ok(Next::Pause)
            }
            None if gone.is_cancelled() => Ok(Next::End(Death::GivenUp)),
            None => Ok(Next::End(Death::Stopped)),
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
            let any_work = steps::sleep_on(&self.seat.db, self.seat.id(), &self.place, &self.names, attended);
            if self.burst || any_work.await.unwrap_or(true) {
                return Wake::Poll;
            }
        }
    }

    /// Says that the worker sleeps. It looks once more then: whoever commits after that sees the sleeper.
    async fn list(&self) -> Next {
        match steps::fall_asleep(&self.seat.db, self.seat.id(), &self.place).await {
            Ok(()) => Next::Look,
            Err(error) => {
                tracing::warn!(%error, "the worker cannot say that it sleeps; trying again");
                Next::Pause
            }
        }
    }

    /// Runs a task, and then those that were claimed with the end of the one before.
    async fn follow(&self, task: Claimed, gone: &CancellationToken) -> anyhow::Result<Flow> {
        let mut current = Some(task);
        while let Some(task) = current.take() {
            let claim = task.claim;
            let ended = self.seat.run(task).await;
            let last = ended.stuck || self.seat.shutdown.is_requested();
            let next = (!last).then(|| steps::draw_any(self.seat.id()));
            if let Some(next) = next {
                self.seat.known.add(next);
            }
            let (db, shutdown) = (&self.seat.db, self.seat.shutdown);
            let written =
                steps::finish(db, claim, &ended, next, (&self.names, &self.place), gone, shutdown).await;
            self.seat.known.remove(claim);
            let stuck = "was told to stop and does not. The worker ends.";
            let Some(answer) = written else {
                anyhow::ensure!(!ended.stuck, "A task {stuck}");
                return Ok(self.seat.flow());
            };
            match (next, answer) {
                (Some(_), Some(Answer::Claimed { task, more })) => {
                    // What the one has freed is found while the other runs.
                    self.promoter.promote(more);
                    current = Some(*task);
                }
                (next, _) => {
                    if let Some(next) = next {
                        self.seat.known.remove(next);
                    }
                    if ended.stuck {
                        let _ = tokio::time::timeout(FAREWELL, promoter::promote(db, 0)).await;
                        anyhow::bail!("The task {} {stuck}", claim.task);
                    }
                }
            }
        }
        Ok(self.seat.flow())
    }
}
