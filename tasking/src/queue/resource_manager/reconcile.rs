//! Reconciliation: makes the leader's assignments follow the rows, periodically and after failures.

use std::collections::HashSet;
use std::time::Instant;

use entities::task::TaskState;
use uuid::Uuid;

use super::assignments::TRIES;
use super::routing::{Routing, Trouble};
use super::task_rows::{self, TaskPosition};
use crate::queue::faults::{self, Fault};

impl Routing {
    /// Compares what is believed with the rows.
    pub(super) async fn sweep(&mut self) -> Result<(), Trouble> {
        if faults::on(Fault::NoSweep) {
            return Ok(());
        }
        for task in task_rows::end_abandoned(&self.db, self.epoch).await?.ok_or(Trouble::EpochOver)? {
            self.finished(task);
        }
        let believed: Vec<Uuid> = self.assignments.tasks().collect();
        self.reconcile(believed).await?;
        self.refresh_workers().await?;
        self.fail_unknown().await
    }

    /// Looks at what time has made due: slow tasks, and orders that were not claimed.
    pub(super) async fn clock(&mut self) -> Result<(), Trouble> {
        let now = Instant::now();
        for (worker, task) in self.assignments.slow(now) {
            if self.scheduler.current(worker) == Some(task) {
                self.scheduler.slow(worker);
            }
        }
        let unclaimed = self.assignments.unclaimed(now);
        if unclaimed.is_empty() {
            return Ok(());
        }
        self.reconcile(unclaimed.clone()).await?;
        for task in unclaimed {
            let Some(assigned) = self.assignments.get(task) else { continue };
            if assigned.confirmed {
                continue;
            }
            let (worker, tries) = (assigned.worker, assigned.tries);
            let sent = assigned.sent.clone();
            // Whether it was still in the queue or not: a second order for a task does no harm.
            if let Some(sent) = sent {
                self.queue.take_back(&[sent]).await?.ok_or(Trouble::NotOurs)?;
            }
            if self.scheduler.current(worker) != Some(task) {
                self.returned(task);
            } else if tries < TRIES && !self.scheduler.has_idle_for(task) {
                self.resend(task, worker)?;
            } else {
                tracing::warn!(%worker, "the worker does not claim its task; it gets no more until it reports");
                self.answering.remove(&worker);
                self.down(worker);
            }
        }
        Ok(())
    }

    /// Makes the scheduler follow the rows of these tasks.
    pub(super) async fn reconcile(&mut self, ids: Vec<Uuid>) -> Result<(), Trouble> {
        if ids.is_empty() {
            return Ok(());
        }
        let positions = task_rows::positions(&self.db, ids.clone()).await?;
        let found: HashSet<Uuid> = positions.iter().map(|position| position.id).collect();
        for id in ids.into_iter().filter(|id| !found.contains(id)) {
            self.finished(id);
        }
        for TaskPosition { id, state, worker } in positions {
            match (state, worker) {
                (TaskState::Waiting, _) => {}
                (TaskState::Running | TaskState::Canceling, Some(worker)) => {
                    self.scheduler.claimed(id, worker);
                    if self.scheduler.worker_of(id) == Some(worker) {
                        self.assignments.runs(id, worker);
                    }
                }
                _ => self.finished(id),
            }
        }
        Ok(())
    }

    /// Follows the rows of the workers.
    pub(super) async fn refresh_workers(&mut self) -> Result<(), Trouble> {
        let workers = task_rows::workers(&self.db).await?;
        let alive: HashSet<Uuid> = workers.iter().map(|(id, _)| *id).collect();
        let gone: Vec<Uuid> = self.names.keys().copied().filter(|id| !alive.contains(id)).collect();
        if !gone.is_empty() {
            let tasks: Vec<Uuid> =
                gone.iter().flat_map(|worker| self.assignments.tasks_of(*worker)).collect();
            if !tasks.is_empty() {
                for task in task_rows::end_abandoned(&self.db, self.epoch).await?.ok_or(Trouble::EpochOver)? {
                    self.finished(task);
                }
                self.reconcile(tasks).await?;
            }
            let left = gone.iter().filter_map(|worker| self.names.get(worker));
            let taken = |name: &String| workers.iter().any(|(_, alive)| alive == name);
            let left: Vec<String> = left.filter(|name| !taken(name)).cloned().collect();
            if !left.is_empty() && !self.queue.forget(&left).await? {
                return Err(Trouble::NotOurs);
            }
            for worker in gone {
                self.down(worker);
                self.names.remove(&worker);
            }
        }
        self.answering.retain(|worker| alive.contains(worker));
        let mut new = Vec::new();
        for (id, name) in workers {
            self.names.insert(id, name);
            if self.answering.contains(&id) && !self.scheduler.has_worker(id) {
                new.push(id);
            }
        }
        self.workers_up(new).await
    }
}
