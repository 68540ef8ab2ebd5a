//! Which task may run where: a pure value, without I/O, clock or randomness.
//!
//! Every task has one position for all its resources. It is runnable if no earlier unfinished task conflicts
//! with it, and shared with shared is no conflict. The earliest unfinished task is therefore always runnable
//! (no deadlock), and nobody overtakes on a resource (no starvation). Each resource has a line of those who
//! wait for it, and each entry of it is granted once: a step costs in proportion to what it changes, never to
//! the backlog.
//!
//! A worker has at most one current task, and one reserved behind it that it takes when the current one ends.
//! It gets only tasks of kinds that it knows; a task of a kind that nobody knows holds its resources and no
//! worker. All inputs are idempotent by task and by worker, so they may be repeated and may come late.

mod line;
mod task;
mod workers;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use line::Line;
use task::{Mode, Place, Task};
use workers::Workers;

pub use task::{Kind, Skills};

/// What is to be done about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignment {
    /// Send the task to the worker, who is idle.
    Run {
        /// The task.
        task: Uuid,
        /// The worker.
        worker: Uuid,
    },
    /// Send the task to the worker, who takes it after its current one.
    Reserve {
        /// The task.
        task: Uuid,
        /// The worker.
        worker: Uuid,
    },
    /// Take a reserved task back, and say [`Scheduler::returned`] if the worker had not taken it yet.
    TakeBack {
        /// The task.
        task: Uuid,
        /// The worker.
        worker: Uuid,
    },
}

/// Unfinished tasks, what they wait for, and the workers.
#[derive(Debug, Default)]
pub struct Scheduler {
    /// The next position.
    next: u64,
    tasks: HashMap<Uuid, Task>,
    lines: HashMap<Arc<str>, Line>,
    /// Tasks that hold all they need and are with no worker, by position in their kind.
    runnable: BTreeMap<Kind, BTreeMap<u64, Uuid>>,
    workers: Workers,
}

impl Scheduler {
    /// Nothing to do and nobody to do it.
    pub fn new() -> Scheduler {
        Scheduler::default()
    }

    /// Adds a task behind all others. A resource that is named twice counts once, exclusively if one of them
    /// is exclusive. A task that is known already stays where it is.
    pub fn submit<'a>(
        &mut self,
        id: Uuid,
        kind: Kind,
        exclusive: impl IntoIterator<Item = &'a str>,
        shared: impl IntoIterator<Item = &'a str>,
    ) {
        if self.tasks.contains_key(&id) {
            return;
        }
        let position = self.next;
        self.next += 1;
        let mut needs: Vec<(Arc<str>, Mode)> = Vec::new();
        let exclusive = exclusive.into_iter().map(|name| (name, Mode::Exclusive));
        for (name, mode) in exclusive.chain(shared.into_iter().map(|name| (name, Mode::Shared))) {
            if needs.iter().all(|(known, _)| &**known != name) {
                let name = match self.lines.get_key_value(name) {
                    Some((name, _)) => name.clone(),
                    None => Arc::from(name),
                };
                needs.push((name, mode));
            }
        }
        let mut missing = 0;
        for (name, mode) in &needs {
            if !self.lines.entry(name.clone()).or_default().join(position, id, *mode) {
                missing += 1;
            }
        }
        let mut task = Task { position, kind, needs: needs.into(), missing, place: Place::Blocked };
        if missing == 0 {
            task.place = Place::Runnable;
            self.runnable.entry(kind).or_default().insert(position, id);
        }
        self.tasks.insert(id, task);
    }

    /// Removes a task that has become final, whoever ended it, and lets go of all it held.
    pub fn finished(&mut self, id: Uuid) {
        let Some(task) = self.tasks.remove(&id) else { return };
        match task.place {
            Place::Blocked => {}
            Place::Runnable => self.withdraw(task.kind, task.position),
            Place::With(worker) => self.leave(worker, id),
        }
        for (name, mode) in &*task.needs {
            let Some(line) = self.lines.get_mut(name) else { continue };
            let granted = line.leave(task.position, *mode);
            if line.is_empty() {
                self.lines.remove(name);
            }
            for id in granted {
                let Some(waiting) = self.tasks.get_mut(&id) else { continue };
                waiting.missing -= 1;
                if waiting.missing == 0 {
                    waiting.place = Place::Runnable;
                    self.runnable.entry(waiting.kind).or_default().insert(waiting.position, id);
                }
            }
        }
    }

    /// Removes a task that was canceled before it ran. The same as [`Scheduler::finished`].
    pub fn canceled(&mut self, id: Uuid) {
        self.finished(id);
    }

    /// The worker has claimed the task, or so its row says, whoever it was assigned to. What the worker was
    /// thought to run goes back.
    ///
    /// Claimed tasks hold their resources at once when no other task does, so they have to be submitted first
    /// when the scheduler is made again from the rows.
    pub fn claimed(&mut self, id: Uuid, worker: Uuid) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        match task.place {
            Place::Blocked => return,
            Place::Runnable => {
                if let Some(tasks) = self.runnable.get_mut(&task.kind) {
                    tasks.remove(&task.position);
                }
            }
            Place::With(holder) if holder == worker && self.workers.current(worker) == Some(id) => return,
            Place::With(_) => {}
        }
        let before = std::mem::replace(&mut task.place, Place::With(worker));
        if let Place::With(holder) = before {
            self.leave(holder, id);
        }
        if let Some(displaced) = self.workers.run(worker, id) {
            self.back_to_runnable(displaced);
        }
    }

    /// The task was taken back from its worker before it was claimed, or the claim was refused: it is to be
    /// assigned again, at its old position.
    pub fn returned(&mut self, id: Uuid) {
        let Some(Task { place: Place::With(worker), .. }) = self.tasks.get(&id) else { return };
        self.leave(*worker, id);
        self.back_to_runnable(id);
    }

    /// The worker takes tasks of these kinds. What it knows stays the same while it is up.
    pub fn worker_up(&mut self, worker: Uuid, skills: &Skills) {
        self.workers.up(worker, skills);
    }

    /// The worker has said something while it takes tasks: it is there, and is chosen before those of which
    /// nothing was heard for longer, or nothing but that they have come.
    pub fn heard(&mut self, worker: Uuid) {
        self.workers.heard(worker);
    }

    /// The worker takes no more tasks, and what it has not ended goes back. A task that it did claim has to
    /// be final before this is said.
    pub fn worker_down(&mut self, worker: Uuid) {
        for id in self.workers.down(worker) {
            self.back_to_runnable(id);
        }
    }

    /// The worker's current task takes a while: nothing is reserved behind it, and what is, is taken back.
    pub fn slow(&mut self, worker: Uuid) {
        self.workers.slow(worker);
    }

    /// Places what can be placed: idle workers get the earliest runnable tasks; only when nobody is idle,
    /// quick workers get one reserved; a reserved one is called back as soon as somebody is idle.
    pub fn assignments(&mut self) -> Vec<Assignment> {
        let mut out = Vec::new();
        while let Some((position, id, kind)) = self.next_placeable() {
            let Some((worker, reserved)) = self.workers.place(id, kind) else { break };
            self.withdraw(kind, position);
            if let Some(task) = self.tasks.get_mut(&id) {
                task.place = Place::With(worker);
            }
            out.push(match reserved {
                false => Assignment::Run { task: id, worker },
                true => Assignment::Reserve { task: id, worker },
            });
        }
        out.extend(self.workers.recall().map(|(task, worker)| Assignment::TakeBack { task, worker }));
        out
    }

    /// Whether the task is known and not finished.
    pub fn knows(&self, id: Uuid) -> bool {
        self.tasks.contains_key(&id)
    }

    /// The worker that the task is with.
    pub fn worker_of(&self, id: Uuid) -> Option<Uuid> {
        match self.tasks.get(&id)?.place {
            Place::With(worker) => Some(worker),
            Place::Blocked | Place::Runnable => None,
        }
    }

    /// What the worker has to run now, or runs.
    pub fn current(&self, worker: Uuid) -> Option<Uuid> {
        self.workers.current(worker)
    }

    /// Whether the worker takes tasks.
    pub fn has_worker(&self, worker: Uuid) -> bool {
        self.workers.is_up(worker)
    }

    /// Whether an idle worker could take the task.
    pub fn has_idle_for(&self, id: Uuid) -> bool {
        self.tasks.get(&id).is_some_and(|task| self.workers.has_idle(task.kind))
    }

    /// Every worker that takes tasks.
    pub fn workers(&self) -> impl Iterator<Item = Uuid> {
        self.workers.all()
    }

    /// Runnable tasks of kinds that no worker knows who takes tasks; by kind, in their order.
    pub fn unplaceable(&self) -> impl Iterator<Item = (Kind, impl Iterator<Item = Uuid>)> {
        let unknown =
            self.runnable.iter().filter(|(kind, tasks)| !tasks.is_empty() && !self.workers.knows(**kind));
        unknown.map(|(kind, tasks)| (*kind, tasks.values().copied()))
    }

    /// Whether a task could run and waits only for a worker.
    pub fn has_runnable(&self) -> bool {
        self.runnable.values().any(|tasks| !tasks.is_empty())
    }

    /// Unfinished tasks.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether nothing is left to do.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    fn leave(&mut self, worker: Uuid, id: Uuid) {
        self.workers.leave(worker, id);
    }

    fn back_to_runnable(&mut self, id: Uuid) {
        if let Some(task) = self.tasks.get_mut(&id) {
            task.place = Place::Runnable;
            self.runnable.entry(task.kind).or_default().insert(task.position, id);
        }
    }

    fn withdraw(&mut self, kind: Kind, position: u64) {
        if let Some(tasks) = self.runnable.get_mut(&kind) {
            tasks.remove(&position);
        }
    }

    /// The earliest runnable task that some worker has room for.
    fn next_placeable(&self) -> Option<(u64, Uuid, Kind)> {
        let heads = self.runnable.iter().filter_map(|(kind, tasks)| {
            let (position, id) = tasks.first_key_value()?;
            self.workers.has_room(*kind).then_some((*position, *id, *kind))
        });
        heads.min()
    }
}
