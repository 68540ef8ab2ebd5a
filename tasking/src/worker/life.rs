//! One life of a worker: from its registration until it stops, or is given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use entities::{Pulp, db};
use sea_orm::DatabaseConnection;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::WorkerOptions;
use super::known::{self, Known};
use crate::backoff::Backoff;
use crate::claims::{self, Answer};
use crate::context::Claim;
use crate::process::{ProcessKind, Registration, beat_interval};
use crate::redis::message::Notice;
use crate::redis::queue::{self, Done, Received, WorkerQueue};
use crate::redis::{ConnectionManager, Redis};
use crate::run::{Claimed, Ended, Interrupt, Runner, any_waiting};
use crate::sabotage::{self, Breakage};
use crate::{Dispatcher, Shutdown, Tasks};

/// How long an idle worker waits for an order before it says that it is there.
const IDLE: Duration = Duration::from_secs(5);

/// The same in burst mode, before it looks whether anything is left.
const IDLE_BURST: Duration = Duration::from_millis(250);

/// How long Redis may take to answer a worker between two tasks.
const REPLY: Duration = Duration::from_millis(500);

/// A task that takes no longer is likely followed by one like it.
const QUICK: Duration = Duration::from_millis(5);

/// How long a worker that has just ended a quick task waits for its next order, if there are said to be more, to write
/// the end of the one and the claim of the other in one commit.
const PROMPT: Duration = Duration::from_millis(1);

/// Sessions for claims, ends and looks at the worker's own rows.
const LOOKUPS: u32 = 2;

/// How a life ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// It was asked to stop, or nothing was left.
    Stopped,
    /// The others have given it up.
    GivenUp,
}

/// A worker with an identity.
pub(super) struct Life<'a> {
    runner: Runner,
    /// For claims and ends, which so never wait for the sessions of a task.
    db: DatabaseConnection,
    registration: Registration,
    redis: Redis,
    reports: ConnectionManager,
    queue: Option<WorkerQueue>,
    name: &'a str,
    known: Known,
    /// Orders whose effects are done, to be acknowledged.
    done: Vec<Vec<u8>>,
    shutdown: &'a Shutdown,
    burst: bool,
    /// Without a beat for so long, what runs is stopped.
    silence: Duration,
}

impl<'a> Life<'a> {
    /// Registers, opens a pool under the identity's name, and empties the working directory.
    pub(super) async fn begin(
        pulp: &Pulp,
        tasks: &Arc<Tasks>,
        redis: &Redis,
        options: &WorkerOptions,
        name: &'a str,
        shutdown: &'a Shutdown,
    ) -> anyhow::Result<Life<'a>> {
        let settings = &pulp.settings;
        let ttl = settings.worker_ttl;
        let known: Vec<&str> = tasks.names().collect();
        let registration = Registration::start(pulp, ProcessKind::Worker, name, &known, ttl).await?;
        let silence = ttl * 2 / 3;
        let parameters = [
            ("idle_in_transaction_session_timeout", silence.as_millis().to_string()),
            // A task fills tables faster than statistics follow: a plan made for an empty table must not be kept.
            ("plan_cache_mode", "force_custom_plan".to_owned()),
        ];
        let id = registration.id();
        let db =
            db::connect_with(settings, &id.to_string(), settings.database_connections, &parameters).await?;
        let pulp = Pulp { db, ..pulp.clone() };
        let db = db::connect_for_lookups(settings, &id.to_string(), LOOKUPS).await?;
        let directory = settings.working_directory.join(name);
        match tokio::fs::remove_dir_all(&directory).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot empty {}", directory.display()));
            }
            _ => {}
        }
        let runner = Runner {
            dispatcher: Dispatcher::new(pulp.clone()),
            tasks: tasks.clone(),
            directory,
            patience: settings.task_cancel_interval,
            pulp,
        };
        let reports = redis.shared()?;
        tracing::info!(%name, id = %id, "the worker is ready");
        Ok(Life {
            runner,
            db,
            registration,
            redis: redis.clone(),
            reports,
            queue: None,
            name,
            known: Known::default(),
            done: Vec::new(),
            shutdown,
            burst: options.burst,
            silence,
        })
    }

    /// Takes orders until something ends this life.
    pub(super) async fn live(mut self) -> anyhow::Result<Death> {
        let db = self.db.clone();
        let interval = beat_interval(self.runner.pulp.settings.worker_ttl);
        let watching = known::watch(db, self.redis.clone(), self.id(), self.known.clone(), interval);
        let _watch = AbortOnDropHandle::new(tokio::spawn(watching));
        let death = self.take_orders().await?;
        let _ = tokio::fs::remove_dir_all(&self.runner.directory).await;
        if death == Death::Stopped {
            let worker = self.id();
            if let Err(error) = self.registration.stop().await {
                tracing::warn!(%error, "the end of the worker cannot be recorded; it will be given up");
            }
            let leaving = async {
                let _ = queue::remove(&mut self.reports, &self.redis, self.name).await;
                let _ = queue::notify(&mut self.reports, &self.redis, &Notice::Left { worker }).await;
            };
            let _ = tokio::time::timeout(REPLY, leaving).await;
        }
        Ok(death)
    }

    async fn take_orders(&mut self) -> anyhow::Result<Death> {
        let gone = self.registration.gone().clone();
        let mut backoff = Backoff::default();
        self.ready(Done::All).await;
        loop {
            if self.shutdown.is_requested() {
                return Ok(Death::Stopped);
            }
            let idle = if self.burst { IDLE_BURST } else { IDLE };
            let order = tokio::select! {
                () = self.shutdown.requested() => return Ok(Death::Stopped),
                () = gone.cancelled() => return Ok(Death::GivenUp),
                order = wait(&mut self.queue, &self.redis, self.name, idle) => order,
            };
            match order {
                Ok(Some(order)) => {
                    backoff.reset();
                    if self.follow(order, &gone).await? == Flow::GivenUp {
                        return Ok(Death::GivenUp);
                    }
                }
                Ok(None) => {
                    if self.burst && !any_waiting(&self.db).await.unwrap_or(true) {
                        return Ok(Death::Stopped);
                    }
                    self.ready(Done::All).await;
                }
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "the queue cannot be read; trying again");
                    self.queue = None;
                    tokio::select! {
                        () = backoff.pause() => {}
                        () = self.shutdown.requested() => return Ok(Death::Stopped),
                        () = gone.cancelled() => return Ok(Death::GivenUp),
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
            return Ok(Flow::GoOn);
        }
        let db = self.db.clone();
        if sabotage::on(Breakage::AcknowledgeBeforeEffect) {
            self.ready(Done::All).await;
        }
        let claim = claims::draw_for(&order);
        self.known.add(claim);
        let Some(answer) = claims::claim(&db, claim, &order, gone, self.shutdown).await else {
            return Ok(self.flow(gone));
        };
        self.done.push(bytes);
        let mut more = order.more;
        let mut current = match answer {
            Answer::Claimed(task) => Some(*task),
            Answer::Refused(why) => {
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
            let ((), ended) =
                tokio::join!(self.tell(notice.take(), Done::These(&told)), self.run(task, gone));
            let stuck = ended.stuck;
            let patience = if more && started.elapsed() < QUICK { PROMPT } else { Duration::ZERO };
            let next = match stuck || self.shutdown.is_requested() {
                true => None,
                false => self.reserved(patience).await,
            };
            let (next, bytes) = match next {
                Some(Received { order, bytes }) => (Some((claims::draw_for(&order), order)), Some(bytes)),
                None => (None, None),
            };
            if let Some((next, order)) = &next {
                self.known.add(*next);
                more = order.more;
            }
            let written = claims::finish(&db, claim, &ended, next.as_ref(), gone, self.shutdown).await;
            self.known.remove(claim);
            let Some((_, answer)) = written else {
                anyhow::ensure!(!stuck, "A task was told to stop and does not. The worker ends.");
                return Ok(self.flow(gone));
            };
            self.done.extend(bytes);
            let claimed = matches!(answer, Some(Answer::Claimed(_)));
            notice = Some(Notice::Finished {
                worker: self.id(),
                task: claim.task,
                next: next.as_ref().filter(|_| claimed).map(|(next, _)| next.task),
            });
            if stuck {
                self.report(notice).await;
                anyhow::bail!("The task {} was told to stop and does not. The worker ends.", claim.task);
            }
            match (next, answer) {
                (Some(_), Some(Answer::Claimed(task))) => current = Some(*task),
                (Some((next, _)), Some(Answer::Refused(why))) => {
                    self.report(notice.take()).await;
                    self.refused(next, &why).await;
                }
                _ => {}
            }
        }
        self.report(notice).await;
        Ok(self.flow(gone))
    }

    /// Tells the manager that the worker has nothing to do.
    async fn ready(&self, done: Done<'_>) {
        self.tell(Some(Notice::Ready { worker: self.id() }), done).await;
    }

    /// Tells the manager that a claim was refused.
    async fn refused(&mut self, claim: Claim, why: &str) {
        tracing::debug!(task = %claim.task, why, "a claim was refused");
        self.known.remove(claim);
        self.report(Some(Notice::Refused { worker: self.id(), task: claim.task })).await;
    }

    async fn run(&self, task: Claimed, gone: &CancellationToken) -> Ended {
        let canceled = self.known.add(task.claim);
        let stop = CancellationToken::new();
        let interrupt = async {
            tokio::select! {
                () = canceled.cancelled() => Interrupt::Canceled,
                () = self.shutdown.expired() => Interrupt::Shutdown,
                () = gone.cancelled() => Interrupt::Gone,
                () = self.silent() => Interrupt::Silent,
            }
        };
        self.runner.attempt(task, stop, interrupt).await
    }

    /// Waits until the last successful beat is too long ago.
    async fn silent(&self) {
        loop {
            let left = self.silence.saturating_sub(self.registration.silence());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.clamp(Duration::from_millis(5), Duration::from_secs(1))).await;
        }
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
            Ok(Ok(received)) => received.filter(|received| received.order.worker == self.registration.id()),
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
        let told = queue::report(&mut reports, &self.redis, self.name, &notice, done);
        match tokio::time::timeout(REPLY, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the resource manager cannot be told"),
            Err(_) => tracing::debug!("the resource manager cannot be told in time"),
        }
    }

    fn flow(&self, gone: &CancellationToken) -> Flow {
        if gone.is_cancelled() { Flow::GivenUp } else { Flow::GoOn }
    }

    fn id(&self) -> Uuid {
        self.registration.id()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Flow {
    GoOn,
    GivenUp,
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
