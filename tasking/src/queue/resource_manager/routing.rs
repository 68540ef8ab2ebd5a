//! One step of routing: notices and rows in, orders out.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::Utc;
use deadpool_redis::redis::RedisError;
use entities::task::TaskState;
use sea_orm::{DatabaseConnection, DbErr};
use uuid::Uuid;

use super::assignments::Assignments;
use super::kinds::Kinds;
use super::task_rows::{self, Feed, TaskRow};
use crate::queue::faults::{self, Fault};
use crate::queue::reaper::Reaped;
use crate::queue::redis_style::codec;
use crate::queue::redis_style::message::{Notice, Order};
use crate::queue::redis_style::queue::{Bell, ManagerQueue, Sent, Taken};
use crate::queue::scheduler::{Assignment, Scheduler};

/// How often the rows are read for tasks whose notice did not arrive.
pub(super) const POLL: Duration = Duration::from_secs(1);

/// How often everything that is believed to be with a worker is compared with the rows.
const SWEEP: Duration = Duration::from_secs(3);

/// Why a step was not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The lease is not ours; nothing was changed.
    NotOurs,
    /// Another manager has led since: no claim of what this one orders is accepted.
    EpochOver,
    /// Redis or Postgres is away; what was done is found out by looking again.
    Passing(anyhow::Error),
}

impl From<DbErr> for Trouble {
    fn from(error: DbErr) -> Trouble {
        Trouble::Passing(anyhow::Error::new(error).context("Postgres"))
    }
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Trouble {
        Trouble::Passing(anyhow::Error::new(error).context("Redis"))
    }
}

/// The state of a term.
#[derive(Debug)]
pub(super) struct Routing {
    pub(super) db: DatabaseConnection,
    pub(super) queue: ManagerQueue,
    pub(super) epoch: i64,
    /// Whether the rows were read from the beginning.
    begun: bool,
    feed: Feed,
    pub(super) scheduler: Scheduler,
    pub(super) assignments: Assignments,
    pub(super) names: HashMap<Uuid, String>,
    pub(super) kinds: Kinds,
    /// Workers that get tasks: they have asked for work, and have taken what was sent to them since. A row
    /// alone may be that of a process which has died at its start.
    pub(super) answering: HashSet<Uuid>,
    reaped: Vec<Reaped>,
    /// Orders that are due once more.
    again: Vec<Sent>,
    /// Notices that came with the answer to the last orders.
    pending: Vec<Notice>,
    polled: Option<Instant>,
    swept: Option<Instant>,
}

impl Routing {
    /// `patience` is how long a task waits for a worker that knows it.
    pub(super) fn new(
        db: DatabaseConnection,
        queue: ManagerQueue,
        epoch: i64,
        patience: Duration,
    ) -> Routing {
        Routing {
            db,
            queue,
            epoch,
            begun: false,
            feed: Feed::default(),
            scheduler: Scheduler::new(),
            assignments: Assignments::default(),
            names: HashMap::new(),
            kinds: Kinds::new(patience),
            answering: HashSet::new(),
            reaped: Vec::new(),
            again: Vec::new(),
            pending: Vec::new(),
            polled: None,
            swept: None,
        }
    }

    /// When the next step is due if nothing happens.
    pub(super) fn due(&self) -> Instant {
        let now = Instant::now();
        if !self.begun || !self.pending.is_empty() {
            return now;
        }
        self.assignments.due().unwrap_or(now + POLL).min(now + POLL)
    }

    /// A worker was reaped.
    pub(super) fn reaped(&mut self, reaped: Reaped) {
        self.reaped.push(reaped);
    }

    /// What was sent may be lost: looks at all of it in the next step.
    pub(super) fn doubt(&mut self) {
        self.assignments.doubt();
        self.pending.clear();
        self.swept = None;
    }

    /// Takes in what has happened, and sends what follows from it. Notices are taken if there are said to be
    /// some, and now and then.
    pub(super) async fn step(&mut self, rung: Option<Bell>) -> Result<(), Trouble> {
        let sweeps = self.swept.is_none_or(|swept| swept.elapsed() >= SWEEP);
        let polls = sweeps || self.polled.is_none_or(|polled| polled.elapsed() >= POLL);
        if !self.begun {
            self.begin().await?;
        }
        let mut notices = std::mem::take(&mut self.pending);
        let mut taken = Taken::Oldest(notices.len());
        if notices.is_empty() {
            match rung {
                Some(Bell::Notice(notice, bytes)) if !polls => {
                    notices = vec![notice];
                    taken = Taken::This(bytes);
                }
                Some(_) => notices = self.exchange(&[], &taken).await?,
                None if polls => notices = self.exchange(&[], &taken).await?,
                None => {}
            }
            if let Taken::Oldest(count) = &mut taken {
                *count = notices.len();
            }
        }
        if polls || notices.iter().any(|notice| matches!(notice, Notice::Dispatched { .. })) {
            self.read(&notices).await?;
            self.polled = Some(Instant::now());
        }
        self.digest(&notices).await?;
        if sweeps {
            self.sweep().await?;
            self.swept = Some(Instant::now());
        }
        self.clock().await?;
        let orders = self.place().await?;
        if !orders.is_empty() || !notices.is_empty() {
            self.pending = self.exchange(&orders, &taken).await?;
        }
        Ok(())
    }

    async fn exchange(&mut self, orders: &[Sent], taken: &Taken) -> Result<Vec<Notice>, Trouble> {
        self.queue.exchange(orders, taken).await?.ok_or(Trouble::NotOurs)
    }

    /// Makes everything from the rows: first what runs, which holds its resources, then what waits.
    async fn begin(&mut self) -> Result<(), Trouble> {
        self.feed = Feed::default();
        self.scheduler = Scheduler::new();
        self.assignments = Assignments::default();
        self.names.clear();
        let rows = self.feed.begin(&self.db).await?;
        tracing::info!(tasks = rows.len(), "read the unfinished tasks");
        for row in rows {
            self.submit(&row);
            if let Some(worker) = row.worker.filter(|_| row.state != TaskState::Waiting) {
                self.scheduler.claimed(row.id, worker);
                self.assignments.runs(row.id, worker);
                self.scheduler.slow(worker);
            }
        }
        // They have asked the leader before. Who is heard of now is preferred.
        self.answering = task_rows::workers(&self.db).await?.into_iter().map(|(id, _)| id).collect();
        self.refresh_workers().await?;
        if faults::on(Fault::LateEpoch) {
            faults::increment_late(&self.db, self.epoch).await?;
        }
        self.begun = true;
        Ok(())
    }

    fn submit(&mut self, row: &TaskRow) {
        let exclusive = row.exclusive.iter().map(String::as_str);
        let kind = self.kinds.of(&row.name);
        self.scheduler.submit(row.id, kind, exclusive, row.shared.iter().map(String::as_str));
    }

    /// Reads new rows, and those that were announced but not seen.
    async fn read(&mut self, notices: &[Notice]) -> Result<(), Trouble> {
        self.feed.read(&self.db).await?;
        let announced = notices.iter().filter_map(|notice| match notice {
            Notice::Dispatched { task } => Some(*task),
            _ => None,
        });
        let scheduler = &self.scheduler;
        let unknown = announced.filter(|id| !scheduler.knows(*id));
        self.feed.missing(&self.db, unknown).await?;
        let rows = self.feed.take();
        for row in rows.iter().filter(|row| row.state == TaskState::Waiting) {
            self.submit(row);
        }
        Ok(())
    }

    async fn digest(&mut self, notices: &[Notice]) -> Result<(), Trouble> {
        let mut look_up = Vec::new();
        let mut idle = Vec::new();
        let mut new_workers = false;
        for notice in notices {
            match notice {
                Notice::Dispatched { .. } => {}
                Notice::Canceled { task } => self.finished(*task),
                Notice::Finished { worker, task, next } => {
                    new_workers |= self.heard(*worker);
                    self.finished(*task);
                    if let Some(next) = next {
                        self.scheduler.claimed(*next, *worker);
                        if self.scheduler.worker_of(*next) == Some(*worker) {
                            self.assignments.runs(*next, *worker);
                        }
                    }
                    if let Some(current) = self.scheduler.current(*worker) {
                        self.assignments.begins(*worker, current);
                    }
                }
                Notice::Refused { worker, task } => {
                    new_workers |= self.heard(*worker);
                    look_up.push((*worker, *task));
                }
                Notice::Ready { worker } => {
                    new_workers |= self.heard(*worker);
                    // It has nothing to do: what it is thought to run may have ended unheard.
                    idle.extend(self.scheduler.current(*worker));
                }
                Notice::Left { .. } => new_workers = true,
            }
        }
        for reaped in std::mem::take(&mut self.reaped) {
            for task in reaped.ended {
                self.finished(task);
            }
            new_workers = true;
        }
        self.reconcile(idle).await?;
        if faults::on(Fault::FreeOnRefusal) {
            look_up.drain(..).for_each(|(_, task)| self.finished(task));
        }
        if !look_up.is_empty() {
            let ids = look_up.iter().map(|(_, task)| *task).collect();
            self.reconcile(ids).await?;
            for (worker, task) in look_up {
                // Still waiting, and refused: the worker may be gone, or the claim was of another epoch.
                let confirmed = self.assignments.get(task).is_some_and(|assigned| assigned.confirmed);
                if !confirmed && self.scheduler.worker_of(task) == Some(worker) {
                    self.returned(task);
                    self.swept = None;
                    new_workers = true;
                }
            }
        }
        if new_workers {
            self.refresh_workers().await?;
        }
        Ok(())
    }

    /// The worker has said something. True if it was not known to take tasks.
    fn heard(&mut self, worker: Uuid) -> bool {
        self.answering.insert(worker);
        self.scheduler.heard(worker);
        !self.scheduler.has_worker(worker)
    }

    /// Places what can be placed; returns the orders to send.
    async fn place(&mut self) -> Result<Vec<Sent>, Trouble> {
        let mut assignments = self.scheduler.assignments();
        let mut recalled = Vec::new();
        for assignment in &assignments {
            if let Assignment::TakeBack { task, .. } = assignment
                && let Some(sent) = self.assignments.get(*task).and_then(|assigned| assigned.sent.clone())
            {
                recalled.push((*task, sent));
            }
        }
        if !recalled.is_empty() {
            let orders: Vec<Sent> = recalled.iter().map(|(_, sent)| sent.clone()).collect();
            let found = self.queue.take_back(&orders).await?.ok_or(Trouble::NotOurs)?;
            for ((task, _), found) in recalled.iter().zip(found) {
                if found {
                    self.returned(*task);
                }
            }
            assignments.extend(self.scheduler.assignments());
        }
        let mut orders = std::mem::take(&mut self.again);
        for assignment in assignments {
            let (task, worker, runs) = match assignment {
                Assignment::Run { task, worker } => (task, worker, true),
                Assignment::Reserve { task, worker } => (task, worker, false),
                Assignment::TakeBack { .. } => continue,
            };
            let sent = self.order(task, worker)?;
            self.assignments.sent(task, worker, sent.clone());
            if runs {
                self.assignments.begins(worker, task);
            }
            orders.push(sent);
        }
        Ok(orders)
    }

    /// Sends the order for a task once more, with the next ones.
    pub(super) fn resend(&mut self, task: Uuid, worker: Uuid) -> Result<(), Trouble> {
        let sent = self.order(task, worker)?;
        self.assignments.sent(task, worker, sent.clone());
        self.again.push(sent);
        Ok(())
    }

    fn order(&self, task: Uuid, worker: Uuid) -> Result<Sent, Trouble> {
        let more = self.scheduler.has_runnable();
        let order = Order { task, worker, epoch: self.epoch, unblocked_at: Utc::now(), more };
        let bytes = codec::encode(&order).map_err(Trouble::Passing)?;
        let name = self.names.get(&worker).context("a worker without a name").map_err(Trouble::Passing)?;
        Ok(Sent { name: name.clone(), bytes })
    }

    pub(super) fn finished(&mut self, task: Uuid) {
        self.scheduler.finished(task);
        self.assignments.remove(task);
    }

    pub(super) fn returned(&mut self, task: Uuid) {
        self.scheduler.returned(task);
        self.assignments.remove(task);
    }

    pub(super) fn down(&mut self, worker: Uuid) {
        for task in self.assignments.tasks_of(worker) {
            self.assignments.remove(task);
        }
        self.scheduler.worker_down(worker);
    }
}
