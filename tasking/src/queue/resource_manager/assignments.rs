//! Assignments: which task is with which worker, so far as the leader knows, and when to look at it again.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::queue::redis_style::queue::Sent;

/// After this a task is no quick one any more.
pub(super) const QUICK: Duration = Duration::from_millis(50);

/// After this an order should have been claimed.
pub(super) const CLAIM: Duration = Duration::from_secs(1);

/// How often an order is sent to a worker that does not claim it, while no other one is idle.
pub(super) const TRIES: u32 = 3;

/// A task that is with a worker.
#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) worker: Uuid,
    /// The order, if this leader sent it.
    pub(super) sent: Option<Sent>,
    /// Whether its row says that it runs.
    pub(super) confirmed: bool,
    pub(super) tries: u32,
}

#[derive(Debug, Default)]
pub(super) struct Assignments {
    tasks: HashMap<Uuid, Assigned>,
    /// Worker and task, to see whether the task is a slow one.
    quick: VecDeque<(Instant, Uuid, Uuid)>,
    /// Tasks to look up unless they are confirmed.
    claims: VecDeque<(Instant, Uuid)>,
}

impl Assignments {
    pub(super) fn get(&mut self, task: Uuid) -> Option<&mut Assigned> {
        self.tasks.get_mut(&task)
    }

    /// An order that is about to be sent.
    pub(super) fn sent(&mut self, task: Uuid, worker: Uuid, sent: Sent) {
        let tries = match self.tasks.get(&task) {
            Some(before) if before.worker == worker => before.tries + 1,
            _ => 1,
        };
        self.tasks.insert(task, Assigned { worker, sent: Some(sent), confirmed: false, tries });
        self.claims.push_back((Instant::now() + CLAIM, task));
    }

    /// The row says that the worker runs the task.
    pub(super) fn runs(&mut self, task: Uuid, worker: Uuid) {
        match self.tasks.get_mut(&task) {
            Some(assigned) if assigned.worker == worker => assigned.confirmed = true,
            _ => {
                self.tasks.insert(task, Assigned { worker, sent: None, confirmed: true, tries: 0 });
            }
        }
    }

    /// The worker has begun the task, so far as we know.
    pub(super) fn begins(&mut self, worker: Uuid, task: Uuid) {
        self.quick.push_back((Instant::now() + QUICK, worker, task));
    }

    /// The task is with no worker any more.
    pub(super) fn remove(&mut self, task: Uuid) {
        self.tasks.remove(&task);
    }

    pub(super) fn tasks(&self) -> impl Iterator<Item = Uuid> {
        self.tasks.keys().copied()
    }

    pub(super) fn tasks_of(&self, worker: Uuid) -> Vec<Uuid> {
        self.tasks.iter().filter(|(_, assigned)| assigned.worker == worker).map(|(id, _)| *id).collect()
    }

    /// Workers and tasks whose quick time is over.
    pub(super) fn slow(&mut self, now: Instant) -> Vec<(Uuid, Uuid)> {
        let mut due = Vec::new();
        while let Some((when, worker, task)) = self.quick.front().copied()
            && when <= now
        {
            self.quick.pop_front();
            due.push((worker, task));
        }
        due
    }

    /// Orders that should have been claimed, and are not known to be.
    pub(super) fn unclaimed(&mut self, now: Instant) -> Vec<Uuid> {
        let mut due = Vec::new();
        while let Some((when, task)) = self.claims.front().copied()
            && when <= now
        {
            self.claims.pop_front();
            if self.tasks.get(&task).is_some_and(|assigned| !assigned.confirmed) {
                due.push(task);
            }
        }
        due
    }

    /// Looks at every unclaimed order now: what was sent may be lost.
    pub(super) fn doubt(&mut self) {
        let now = Instant::now();
        self.claims.clear();
        let unclaimed = self.tasks.iter().filter(|(_, assigned)| !assigned.confirmed);
        self.claims.extend(unclaimed.map(|(task, _)| (now, *task)));
    }

    /// When to look next.
    pub(super) fn due(&self) -> Option<Instant> {
        let quick = self.quick.front().map(|(when, ..)| *when);
        let claims = self.claims.front().map(|(when, _)| *when);
        quick.into_iter().chain(claims).min()
    }
}
