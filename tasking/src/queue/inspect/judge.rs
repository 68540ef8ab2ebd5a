//! Finds the reason of each unfinished task in what one look has read.

use std::collections::HashMap;

use entities::task::TaskState;
use uuid::Uuid;

use super::diagnosis::Look;
use super::overview::WorkerState;
use super::queues::Lying;
use super::reason::{Blocker, Reason};
use super::unfinished::Unfinished;

/// What the reasons are found by.
pub(super) struct Judge<'a> {
    look: &'a Look,
    workers: HashMap<Uuid, (&'a str, WorkerState)>,
    ordered: HashMap<Uuid, &'a Lying>,
    any_worker: bool,
    redis_answers: bool,
    led: bool,
    /// Where the chain of blockers of each task begins.
    roots: Vec<usize>,
}

impl<'a> Judge<'a> {
    pub(super) fn of(look: &'a Look) -> Judge<'a> {
        let overview = &look.overview;
        let live = overview.workers.iter().filter(|worker| worker.state != WorkerState::GivenUp);
        let workers: HashMap<Uuid, (&str, WorkerState)> =
            live.map(|worker| (worker.id, (worker.name.as_str(), worker.state))).collect();
        let ordered = look.orders.iter().filter(|lying| workers.contains_key(&lying.order.worker));
        let ordered = ordered.map(|lying| (lying.order.task, lying)).collect();
        let any_worker = workers.values().any(|(_, state)| *state != WorkerState::Silent);
        let redis_answers = overview.redis.as_ref().is_none_or(|redis| redis.error.is_none());
        let led = overview.leader.as_ref().is_none_or(|leader| leader.alive && leader.lease.is_some());
        let mut roots: Vec<usize> = Vec::with_capacity(look.tasks.len());
        for (number, task) in look.tasks.iter().enumerate() {
            // A blocker comes earlier in the list, so its root is known.
            let root = task.behind.and_then(|behind| roots.get(behind).copied());
            roots.push(root.unwrap_or(number));
        }
        Judge { look, workers, ordered, any_worker, redis_answers, led, roots }
    }

    pub(super) fn reason(&self, number: usize, task: &Unfinished) -> Reason {
        if task.state != TaskState::Waiting {
            let Some((worker, _)) = task.worker.and_then(|id| self.workers.get(&id)) else {
                return Reason::Abandoned;
            };
            let worker = (*worker).to_owned();
            return match task.state {
                TaskState::Canceling => Reason::Canceling { worker, seconds: task.unchanged },
                _ => Reason::Running { worker, seconds: task.runs },
            };
        }
        if task.behind.is_some() {
            return self.blocked(number, task);
        }
        if !self.any_worker {
            return Reason::NoWorker;
        }
        let Some(knowing) = self.look.skills.get(&*task.name) else { return Reason::UnknownTask };
        if !self.redis_answers {
            return Reason::NoRedis;
        }
        if !self.led {
            return Reason::NoLeader;
        }
        if let Some(lying) = self.ordered.get(&task.id) {
            let since = (self.look.overview.at - lying.order.unblocked_at).num_milliseconds();
            return Reason::Ordered { worker: lying.queue.clone(), seconds: since as f64 / 1000.0 };
        }
        let states = knowing.iter().filter_map(|id| self.workers.get(id));
        let states = states.filter(|(_, state)| *state != WorkerState::Silent);
        if states.clone().any(|(_, state)| *state == WorkerState::Idle) {
            return Reason::Starting;
        }
        Reason::WorkersBusy { workers: states.count() }
    }

    fn blocked(&self, number: usize, task: &Unfinished) -> Reason {
        let mut by: Vec<Blocker> = Vec::with_capacity(task.blockers.len());
        for behind in &task.blockers {
            let Some(first) = self.look.tasks.get(behind.first) else { continue };
            let seconds = match first.state {
                TaskState::Running => first.runs,
                TaskState::Canceling => first.unchanged,
                _ => first.age,
            };
            let state = first.state.as_str();
            by.push(Blocker {
                resource: behind.resource.clone(),
                task: first.id,
                name: first.name.to_string(),
                state,
                seconds,
                ahead: behind.ahead,
            });
        }
        let root = self.roots.get(number).and_then(|root| self.look.tasks.get(*root)).unwrap_or(task);
        Reason::Blocked { by, root: root.id }
    }
}
