//! The loop of a worker that takes orders over Redis: from its registration until it stops, or is reaped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use entities::Pulp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::WorkerOptions;
use super::claim_registry;
use super::slot::{Exit, Flow, WorkerSlot};
use crate::context::Claim;
use crate::queue::backoff::Backoff;
use crate::queue::claims::{ClaimReply, Until};
use crate::queue::faults::{self, Fault};
use crate::queue::redis_style::claims;
use crate::queue::redis_style::message::Notice;
use crate::queue::redis_style::queue::{self, Done, Received, WorkerQueue};
use crate::queue::redis_style::{ConnectionManager, Redis};
use crate::queue::repeats::Repeats;
use crate::queue::runner::any_waiting;
use crate::{Shutdown, Tasks};

/// How long an idle worker waits for an order before it says that it is there.
const IDLE: Duration = Duration::from_secs(5);

/// The same in burst mode, before it looks whether anything is left.
const IDLE_BURST: Duration = Duration::from_millis(250);

/// How long Redis may take to answer a worker between two tasks.
const REPLY: Duration = Duration::from_millis(500);

/// A task that takes no longer is likely followed by one like it.
const QUICK: Duration = Duration::from_millis(5);

/// How long a worker that has just ended a quick task waits for its next order, if there are said to be more,
/// to write the end of the one and the claim of the other in one commit.
const PROMPT: Duration = Duration::from_millis(1);

/// A worker with an identity, and its way to the manager.
pub(super) struct RedisLoop<'a> {
    slot: WorkerSlot<'a>,
    redis: Redis,
    reports: ConnectionManager,
    queue: Option<WorkerQueue>,
    /// Orders whose effects are done, to be acknowledged.
    done: Vec<Vec<u8>>,
    burst: bool,
}

impl<'a> RedisLoop<'a> {
    /// Opens what is needed, and registers.
    pub(super) async fn begin(
        pulp: &Pulp,
        tasks: &Arc<Tasks>,
        redis: &Redis,
        options: &WorkerOptions,
        name: &'a str,
        shutdown: &'a Shutdown,
    ) -> anyhow::Result<RedisLoop<'a>> {
        let reports = redis.shared()?;
        let slot = WorkerSlot::take(pulp, tasks, name, shutdown).await?;
        Ok(RedisLoop {
            slot,
            redis: redis.clone(),
            reports,
            queue: None,
            done: Vec::new(),
            burst: options.burst,
        })
    }

    /// Takes orders until something ends this life.
    pub(super) async fn run(mut self) -> anyhow::Result<Exit> {
        let (told, cancels) = mpsc::channel(1);
        let _watch = self.slot.watch(cancels);
        let listening = claim_registry::listen(self.redis.clone(), self.id(), told);
        let _listen = AbortOnDropHandle::new(tokio::spawn(listening));
        let exit = self.take_orders().await;
        let (worker, name) = (self.id(), self.slot.name);
        self.slot.leave(&exit).await;
        if matches!(exit, Ok(Exit::Stopped)) {
            let leaving = async {
                let _ = queue::remove(&mut self.reports, &self.redis, name).await;
                let _ = queue::notify(&mut self.reports, &self.redis, &Notice::Left { worker }).await;
            };
            let _ = tokio::time::timeout(REPLY, leaving).await;
        }
        exit
    }

    async fn take_orders(&mut self) -> anyhow::Result<Exit> {
        let gone = self.slot.gone().clone();
        let mut backoff = Backoff::default();
        let unreadable = Repeats::default();
        self.ready(Done::All).await;
        loop {
            if self.slot.shutdown.is_requested() {
                return Ok(Exit::Stopped);
            }
            let idle = if self.burst { IDLE_BURST } else { IDLE };
            let order = tokio::select! {
                () = self.slot.shutdown.requested() => return Ok(Exit::Stopped),
                () = gone.cancelled() => return Ok(Exit::Reaped),
                order = wait(&mut self.queue, &self.redis, self.slot.name, idle) => order,
            };
            match order {
                Ok(Some(order)) => {
                    backoff.reset();
                    unreadable.over();
                    if self.follow(order, &gone).await? == Flow::Reaped {
                        return Ok(Exit::Reaped);
                    }
                }
                Ok(None) => {
                    unreadable.over();
                    if self.burst && !any_waiting(&self.slot.db).await.unwrap_or(true) {
                        return Ok(Exit::Stopped);
                    }
                    self.ready(Done::All).await;
                }
                Err(error) => {
                    if let Some(times) = unreadable.due() {
                        tracing::warn!(
                            error = format!("{error:#}"),
                            times,
                            "cannot read the queue; retrying"
                        );
                    }
                    self.queue = None;
                    tokio::select! {
                        () = backoff.pause() => {}
                        () = self.slot.shutdown.requested() => return Ok(Exit::Stopped),
                        () = gone.cancelled() => return Ok(Exit::Reaped),
                    }
                    // An order may have been on its way; it is acknowledged when the worker is idle.
                    self.ready(Done::These(&[])).await;
                }
            }
        }
    }

    /// Claims a task and runs it, and then those that were reserved behind it.
    async fn follow(&mut self, received: Received, gone: &CancellationToken) -> anyhow::Result<Flow> {
        let Received { order, bytes } = received;
        if order.worker != self.id() {
            return Ok(Flow::Continue);
        }
        let db = self.slot.db.clone();
        if faults::on(Fault::AcknowledgeBeforeEffect) {
            self.ready(Done::All).await;
        }
        let until = Until { gone, shutdown: self.slot.shutdown };
        let claim = claims::draw_for(&order);
        self.slot.claims.add(claim);
        let Some(answer) = claims::claim(&db, claim, &order, until).await else {
            return Ok(self.slot.flow());
        };
        self.done.push(bytes);
        let mut more = order.more;
        let mut current = match answer {
            ClaimReply::Claimed(task) => Some(*task),
            ClaimReply::Refused(why) => {
                self.refused(claim, &why).await;
                None
            }
        };
        let mut notice = None;
        while let Some(task) = current.take() {
            let (claim, started) = (task.claim, Instant::now());
            let told = match &notice {
                Some(_) => std::mem::take(&mut self.done),
                None => Vec::new(),
            };
            // The manager is told of the last end while this task runs already.
            let ((), ended) = tokio::join!(self.tell(notice.take(), Done::These(&told)), self.slot.run(task));
            let stuck = ended.stuck;
            let patience = if more && started.elapsed() < QUICK { PROMPT } else { Duration::ZERO };
            let next = match stuck || self.slot.shutdown.is_requested() {
                true => None,
                false => self.reserved(patience).await,
            };
            let (next, bytes) = match next {
                Some(Received { order, bytes }) => (Some((claims::draw_for(&order), order)), Some(bytes)),
                None => (None, None),
            };
            if let Some((next, order)) = &next {
                self.slot.claims.add(*next);
                more = order.more;
            }
            let written = claims::finish(&db, claim, &ended, next.as_ref(), until).await;
            self.slot.claims.remove(claim);
            let Some(answer) = written else {
                anyhow::ensure!(!stuck, self.slot.ignored_cancellation(claim));
                return Ok(self.slot.flow());
            };
            self.done.extend(bytes);
            let claimed = matches!(answer, Some(ClaimReply::Claimed(_)));
            notice = Some(Notice::Finished {
                worker: self.id(),
                task: claim.task,
                next: next.as_ref().filter(|_| claimed).map(|(next, _)| next.task),
            });
            if stuck {
                self.report(notice).await;
                anyhow::bail!(self.slot.ignored_cancellation(claim));
            }
            match (next, answer) {
                (Some(_), Some(ClaimReply::Claimed(task))) => current = Some(*task),
                (Some((next, _)), Some(ClaimReply::Refused(why))) => {
                    self.report(notice.take()).await;
                    self.refused(next, &why).await;
                }
                _ => {}
            }
        }
        self.report(notice).await;
        Ok(self.slot.flow())
    }

    /// Tells the manager that the worker has nothing to do.
    async fn ready(&self, done: Done<'_>) {
        self.tell(Some(Notice::Ready { worker: self.id() }), done).await;
    }

    /// Tells the manager that a claim was refused.
    async fn refused(&mut self, claim: Claim, why: &str) {
        tracing::debug!(task = %claim.task, why, "the claim was refused");
        self.slot.claims.remove(claim);
        self.report(Some(Notice::Refused { worker: self.id(), task: claim.task })).await;
    }

    /// The order that waits behind the current task, if there is one, or one that comes soon.
    async fn reserved(&mut self, patience: Duration) -> Option<Received> {
        let queue = self.queue.as_mut()?;
        let next = async {
            match patience.is_zero() {
                true => queue.next().await,
                false => tokio::time::timeout(patience, queue.wait(IDLE)).await.unwrap_or(Ok(None)),
            }
        };
        match tokio::time::timeout(REPLY, next).await {
            Ok(Ok(received)) => received.filter(|received| received.order.worker == self.slot.id()),
            Ok(Err(_)) | Err(_) => {
                self.queue = None;
                None
            }
        }
    }

    /// Tells the manager, if Redis is there, and acknowledges what is done.
    async fn report(&mut self, notice: Option<Notice>) {
        let done = std::mem::take(&mut self.done);
        self.tell(notice, Done::These(&done)).await;
    }

    /// Tells the manager, if Redis is there; otherwise it finds out by itself.
    async fn tell(&self, notice: Option<Notice>, done: Done<'_>) {
        let Some(notice) = notice else { return };
        let mut reports = self.reports.clone();
        let told = queue::report(&mut reports, &self.redis, self.slot.name, &notice, done);
        match tokio::time::timeout(REPLY, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "cannot notify the resource manager"),
            Err(_) => tracing::debug!("notifying the resource manager timed out"),
        }
    }

    fn id(&self) -> Uuid {
        self.slot.id()
    }
}

async fn wait(
    queue: &mut Option<WorkerQueue>,
    redis: &Redis,
    name: &str,
    timeout: Duration,
) -> anyhow::Result<Option<Received>> {
    let queue = match queue {
        Some(queue) => queue,
        None => queue.insert(WorkerQueue::open(redis, name).await?),
    };
    let received = tokio::time::timeout(timeout * 2 + REPLY, queue.wait(timeout)).await;
    Ok(received.context("Redis does not answer")??)
}
