//! One life of a worker that takes its tasks from rows: from its registration until it stops, or is given up.

use std::sync::Arc;
use std::time::Duration;

use entities::{Pulp, db};
use rand::Rng;
use sea_orm::DbErr;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::WorkerOptions;
use super::seat::{Death, Flow, Seat};
use crate::backoff::Backoff;
use crate::postgres::ear::Ear;
use crate::postgres::listener::Listener;
use crate::postgres::promoter::{self, Promoter};
use crate::postgres::steps::{self, Answer};
use crate::run::{Claimed, any_waiting};
use crate::{Shutdown, Tasks};

/// How long a worker sleeps that nobody wakes, while nobody looks at the queue for it.
const POLL: Duration = Duration::from_secs(1);

/// The same while somebody does.
const POLL_ATTENDED: Duration = Duration::from_secs(15);

/// The same in burst mode.
const POLL_BURST: Duration = Duration::from_millis(100);

/// How long the last notice of a worker may take when it leaves.
const FAREWELL: Duration = Duration::from_secs(2);

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
        let (mut asleep, mut told) = (false, false);
        loop {
            if self.seat.shutdown.is_requested() {
                return Ok(Death::Stopped);
            }
            let moved = tokio::select! {
                () = self.seat.shutdown.requested() => return Ok(Death::Stopped),
                () = gone.cancelled() => return Ok(Death::GivenUp),
                moved = promoter::promote(&self.seat.db, 1) => moved,
            };
            if let Err(error) = &moved {
                tracing::warn!(%error, "the queue cannot be moved on; trying again");
                // A claim whose outcome is not known would have to be repeated until the database is back.
                if db::is_passing(error) {
                    tokio::select! {
                        () = backoff.pause() => continue,
                        () = self.seat.shutdown.requested() => return Ok(Death::Stopped),
                        () = gone.cancelled() => return Ok(Death::GivenUp),
                    }
                }
            }
            let claim = steps::draw_any(self.seat.id());
            let db = &self.seat.db;
            self.seat.known.add(claim);
            let answer = steps::claim(db, claim, &self.names, &gone, self.seat.shutdown).await;
            let nothing = match answer {
                Some(Answer::Claimed { task, more }) => {
                    backoff.reset();
                    let awake = self.rise(std::mem::take(&mut asleep), more);
                    let (flow, ()) = tokio::join!(self.follow(*task, &gone), awake);
                    if flow? == Flow::GivenUp {
                        return Ok(Death::GivenUp);
                    }
                    continue;
                }
                Some(Answer::Nothing(why)) => {
                    self.seat.known.remove(claim);
                    why
                }
                None if gone.is_cancelled() => return Ok(Death::GivenUp),
                None => return Ok(Death::Stopped),
            };
            if nothing != "idle" {
                tracing::warn!(why = nothing, "no task can be claimed; trying again");
            }
            if moved.is_err() || nothing != "idle" {
                tokio::select! {
                    () = backoff.pause() => continue,
                    () = self.seat.shutdown.requested() => return Ok(Death::Stopped),
                    () = gone.cancelled() => return Ok(Death::GivenUp),
                }
            }
            backoff.reset();
            if self.burst && !any_waiting(db).await.unwrap_or(true) {
                return Ok(Death::Stopped);
            }
            // Whoever is told is taken from the sleepers.
            let listed = std::mem::replace(&mut asleep, true) && !std::mem::take(&mut told);
            if !listed && self.any_work().await.unwrap_or(true) {
                // Committed before the worker was seen to sleep.
                continue;
            }
            tokio::select! {
                heard = self.rest(listener) => told = heard,
                () = self.seat.shutdown.requested() => return Ok(Death::Stopped),
                () = gone.cancelled() => return Ok(Death::GivenUp),
            }
        }
    }

    /// Says that the worker is awake while it runs a task already, and passes on what there is more to do.
    async fn rise(&self, asleep: bool, more: bool) {
        if asleep {
            if let Err(error) = steps::wake_up(&self.seat.db, &self.place).await {
                tracing::debug!(%error, "the worker counts as asleep; it is told of work in vain");
            }
            // Somebody may have told this worker meanwhile of what another one has to do.
            self.promoter.promote(more);
        } else if more {
            self.promoter.wake();
        }
    }

    /// Sleeps until there seems to be work, because it is told (then true) or because it looks.
    async fn rest(&self, listener: &Listener) -> bool {
        loop {
            let poll = match listener.is_attended() {
                _ if self.burst => POLL_BURST,
                true => POLL_ATTENDED,
                false => POLL,
            };
            let poll = poll.mul_f64(rand::rng().random_range(0.8..1.2));
            tokio::select! {
                () = listener.work() => return true,
                () = tokio::time::sleep(poll) => {}
            }
            // A wake that got lost has taken it from the sleepers: it joins them again.
            if self.burst || self.any_work().await.unwrap_or(true) {
                return false;
            }
        }
    }

    /// Is seen to sleep, and looks.
    async fn any_work(&self) -> Result<bool, DbErr> {
        steps::sleep(&self.seat.db, self.seat.id(), &self.place, &self.names).await
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
            let written = steps::finish(db, claim, &ended, next, &self.names, gone, shutdown).await;
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
