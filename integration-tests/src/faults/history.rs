//! What was recorded of one run: the whole input of the checker.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

/// Microseconds since 1970, on the clock of the machine.
pub type Micros = i64;

/// What a task can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not begun.
    Waiting,
    /// Claimed by a worker.
    Running,
    /// Told to stop.
    Canceling,
    /// Done.
    Completed,
    /// Not done.
    Failed,
    /// Stopped, or never begun.
    Canceled,
}

impl State {
    /// The state of that name.
    ///
    /// # Panics
    /// If there is none.
    pub fn parse(name: &str) -> State {
        match name {
            "waiting" => State::Waiting,
            "running" => State::Running,
            "canceling" => State::Canceling,
            "completed" => State::Completed,
            "failed" => State::Failed,
            "canceled" | "skipped" => State::Canceled,
            other => panic!("{other} is no state of a task"),
        }
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, State::Completed | State::Failed | State::Canceled)
    }
}

/// One change of a task's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When it was committed.
    pub at: Micros,
    /// Nothing for the first one.
    pub before: Option<State>,
    /// The state since.
    pub after: State,
    /// Whose it is since.
    pub worker: Option<Uuid>,
    /// By which claim.
    pub token: Option<Uuid>,
}

/// A task and what became of it.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// Its number.
    pub seq: i64,
    /// Its name.
    pub name: String,
    /// What it excludes others from.
    pub exclusive: Vec<String>,
    /// What it shares.
    pub shared: Vec<String>,
    /// Its changes, in order.
    pub changes: Vec<Change>,
    /// When it was asked for; nothing if nobody has noted it.
    pub asked: Option<Micros>,
    /// When it was accepted; nothing if nobody knows.
    pub answered: Option<Micros>,
}

impl Task {
    /// When a worker claimed it, and which.
    pub fn claim(&self) -> Option<(Micros, Uuid)> {
        let claim = self.changes.iter().find(|change| change.after == State::Running)?;
        Some((claim.at, claim.worker?))
    }

    /// When it became final.
    pub fn end(&self) -> Option<Micros> {
        self.changes.iter().find(|change| change.after.is_final()).map(|change| change.at)
    }

    /// What it is at last.
    pub fn state(&self) -> State {
        self.changes.last().map_or(State::Waiting, |change| change.after)
    }
}

/// A write of a task that its users see.
#[derive(Clone, Debug)]
pub struct Write {
    /// The task.
    pub task: Uuid,
    /// Drawn at each start of the body.
    pub run: Uuid,
    /// Which one.
    pub what: String,
    /// When it was committed.
    pub at: Micros,
}

/// A process that was given up, or has stopped.
#[derive(Clone, Copy, Debug)]
pub struct Gone {
    /// The process.
    pub process: Uuid,
    /// When that was committed.
    pub at: Micros,
}

/// A change of leadership.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    /// The epoch that begins.
    pub epoch: i64,
    /// When that was committed.
    pub at: Micros,
}

/// What was seen in Redis, in the order in which Redis did it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Not before it was done.
    pub at: Micros,
    /// What.
    pub what: Event,
}

/// Something that Redis did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The manager sent an order.
    Order {
        /// The worker's queue.
        queue: String,
        /// The task.
        task: Uuid,
        /// The worker.
        worker: Uuid,
        /// The epoch of the leader.
        epoch: i64,
    },
    /// A worker began to take an order from its queue.
    Take(String),
    /// Orders that had been taken were acknowledged.
    Acknowledge {
        /// The worker's queue.
        queue: String,
        /// The task of the order; all if none is named.
        task: Option<Uuid>,
    },
    /// The leader's lease was deleted, or everything was.
    Lost,
    /// Nobody looked from the last event until now.
    Blind,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The tasks whose rows are there.
    pub tasks: HashMap<Uuid, Task>,
    /// The tasks whose acceptance was answered.
    pub accepted: HashSet<Uuid>,
    /// Writes, in no order.
    pub writes: Vec<Write>,
    /// Processes that are gone.
    pub gone: Vec<Gone>,
    /// Changes of leadership.
    pub epochs: Vec<Epoch>,
    /// What Redis did.
    pub redis: Vec<Seen>,
    /// When the last fault was over, and the last task was accepted.
    pub settled: Micros,
    /// How long after that everything has to be final.
    pub bound: Micros,
    /// What else was found wrong, as a rule and a sentence: files, locks, what a clean stop has left.
    pub found: Vec<(&'static str, String)>,
}
