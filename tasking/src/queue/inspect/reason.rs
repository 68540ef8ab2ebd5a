//! Why an unfinished task is not done yet.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

/// Why a task does not run, or that it does. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Reason {
    /// It runs.
    Running {
        /// The name of the worker.
        worker: String,
        /// Since its start.
        seconds: f64,
    },
    /// It was told to stop, and has not stopped yet.
    Canceling {
        /// The name of the worker.
        worker: String,
        /// Since it was told.
        seconds: f64,
    },
    /// It is said to run, on a worker that is gone.
    Abandoned,
    /// Earlier tasks need the same resources.
    Blocked {
        /// Who is in the way, a resource each.
        by: Vec<Blocker>,
        /// Where the chain of blockers begins.
        root: Uuid,
    },
    /// Its resources are free, but nobody can run it.
    NoWorker,
    /// Its resources are free, and no live worker has a task of that name.
    UnknownTask,
    /// Its resources are free, but nobody routes tasks.
    NoLeader,
    /// Its resources are free, but nobody can be told.
    NoRedis,
    /// A worker was told to run it, and has not begun.
    Ordered {
        /// The name of the worker.
        worker: String,
        /// Since its resources became free.
        seconds: f64,
    },
    /// Its resources are free, and all workers that know it are busy, or silent.
    WorkersBusy {
        /// How many know it and are not silent.
        workers: usize,
    },
    /// Its resources are free, and so is a worker: it should start at any moment.
    Starting,
}

/// A task in the way of another one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Blocker {
    /// The resource that both need.
    pub resource: String,
    /// The earliest task in the way.
    pub task: Uuid,
    /// Its name.
    pub name: String,
    /// `running`, `canceling` or `waiting`.
    pub state: &'static str,
    /// Since when it is in that state, or waits: seconds.
    pub seconds: f64,
    /// How many tasks are in the way on this resource.
    pub ahead: usize,
}

impl Reason {
    /// A word for counting.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::Running { .. } => "running",
            Reason::Canceling { .. } => "canceling",
            Reason::Abandoned => "abandoned",
            Reason::Blocked { .. } => "blocked",
            Reason::NoWorker => "no worker",
            Reason::UnknownTask => "unknown task",
            Reason::NoLeader => "no leader",
            Reason::NoRedis => "no Redis",
            Reason::Ordered { .. } => "ordered",
            Reason::WorkersBusy { .. } => "workers busy",
            Reason::Starting => "starting",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Running { worker, seconds } => write!(f, "runs on {worker} for {}", Span(*seconds)),
            Reason::Canceling { worker, seconds } => {
                write!(f, "was told {} ago to stop, on {worker}", Span(*seconds))
            }
            Reason::Abandoned => write!(f, "is said to run on a worker that is gone"),
            Reason::Blocked { by, root } => {
                let Some(first) = by.first() else { return write!(f, "waits behind {root}") };
                let Blocker { resource, task, name, state, seconds, ahead } = first;
                write!(f, "waits for {resource}: {task} ({name}) is {state} for {}", Span(*seconds))?;
                if *ahead > 1 {
                    write!(f, ", {} more in between", ahead - 1)?;
                }
                if by.len() > 1 {
                    write!(f, "; and for {} more resources", by.len() - 1)?;
                }
                if root != task {
                    write!(f, "; the line begins with {root}")?;
                }
                Ok(())
            }
            Reason::NoWorker => write!(f, "could run, but no worker is alive"),
            Reason::UnknownTask => write!(f, "could run, but no live worker has a task of that name"),
            Reason::NoLeader => write!(f, "could run, but no resource manager leads"),
            Reason::NoRedis => write!(f, "could run, but Redis does not answer"),
            Reason::Ordered { worker, seconds } => {
                write!(
                    f,
                    "was given to {worker}, who has not begun; its resources are free for {}",
                    Span(*seconds)
                )
            }
            Reason::WorkersBusy { workers: 0 } => write!(f, "could run, but the workers for it are silent"),
            Reason::WorkersBusy { workers: 1 } => write!(f, "could run, but the only worker for it is busy"),
            Reason::WorkersBusy { workers } => {
                write!(f, "could run, but all {workers} workers for it are busy")
            }
            Reason::Starting => write!(f, "could run, and a worker is idle: it should start at any moment"),
        }
    }
}

/// Seconds for people: `0.3 s`, `42 s`, `3 min`, `5.2 h`, `3.1 days`.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub f64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.max(0.0);
        let text = match seconds {
            _ if seconds < 10.0 => format!("{seconds:.1} s"),
            _ if seconds < 180.0 => format!("{seconds:.0} s"),
            _ if seconds < 3.0 * 3600.0 => format!("{:.0} min", seconds / 60.0),
            _ if seconds < 3.0 * 86400.0 => format!("{:.1} h", seconds / 3600.0),
            _ => format!("{:.1} days", seconds / 86400.0),
        };
        f.pad(&text)
    }
}
