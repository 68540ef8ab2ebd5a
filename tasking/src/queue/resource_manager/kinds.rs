//! The names of tasks as kinds of the scheduler, and what becomes of tasks that no worker knows.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::routing::{Routing, Trouble};
use super::task_rows;
use crate::queue::scheduler::{Kind, Skills};

/// How many tasks are failed at once because no worker knows them.
const BATCH: usize = 1000;

/// Numbers for names.
#[derive(Debug)]
pub(super) struct Kinds {
    numbers: HashMap<Box<str>, Kind>,
    /// Since when no worker knows a kind of which there are tasks.
    unknown: HashMap<Kind, Instant>,
    /// How long a worker that knows it is waited for: during an update the new ones may come a little later.
    patience: Duration,
}

impl Kinds {
    pub(super) fn new(patience: Duration) -> Kinds {
        Kinds { numbers: HashMap::new(), unknown: HashMap::new(), patience }
    }

    /// The number of a name.
    pub(super) fn of(&mut self, name: &str) -> Kind {
        if let Some(kind) = self.numbers.get(name) {
            return *kind;
        }
        let kind = Kind(u32::try_from(self.numbers.len()).unwrap_or(u32::MAX));
        self.numbers.insert(name.into(), kind);
        kind
    }

    /// The skills of a worker that knows these names.
    pub(super) fn skills(&mut self, names: &[String]) -> Skills {
        Skills::new(names.iter().map(|name| self.of(name)).collect())
    }
}

impl Routing {
    /// Tells the scheduler of workers that take tasks from now on.
    pub(super) async fn workers_up(&mut self, workers: Vec<Uuid>) -> Result<(), Trouble> {
        if workers.is_empty() {
            return Ok(());
        }
        for (worker, names) in task_rows::tasks_of(&self.db, workers).await? {
            let skills = self.kinds.skills(&names);
            self.scheduler.worker_up(worker, &skills);
        }
        Ok(())
    }

    /// Fails tasks that have been waiting for a worker that knows them, while there were only others.
    pub(super) async fn fail_unknown(&mut self) -> Result<(), Trouble> {
        let now = Instant::now();
        let since = std::mem::take(&mut self.kinds.unknown);
        if self.scheduler.workers().next().is_none() {
            return Ok(());
        }
        let mut due = Vec::new();
        for (kind, tasks) in self.scheduler.unplaceable() {
            let since = since.get(&kind).copied().unwrap_or(now);
            self.kinds.unknown.insert(kind, since);
            if now.duration_since(since) >= self.kinds.patience {
                due.extend(tasks.take(BATCH));
            }
        }
        if due.is_empty() {
            return Ok(());
        }
        let ended = task_rows::fail_unknown(&self.db, due, self.epoch).await?.ok_or(Trouble::EpochOver)?;
        if !ended.is_empty() {
            tracing::warn!(tasks = ended.len(), "failed tasks whose type is registered in no live process");
        }
        for task in ended {
            self.finished(task);
        }
        Ok(())
    }
}
