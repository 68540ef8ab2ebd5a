//! The tasks a process knows: from a name and arguments to a running future.

use std::collections::BTreeMap;

use anyhow::Context;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::{Task, TaskContext};

/// A running task body.
pub type Running = BoxFuture<'static, anyhow::Result<()>>;

type Start = fn(Value, TaskContext) -> anyhow::Result<Running>;

/// Tasks by name.
#[derive(Clone, Debug, Default)]
pub struct Tasks(BTreeMap<&'static str, Start>);

impl Tasks {
    /// Adds a task.
    ///
    /// # Panics
    /// If the name is taken: two plugins claim it, which no run of the process can mend.
    #[must_use]
    pub fn with<T: Task>(mut self) -> Tasks {
        let taken = self.0.insert(T::NAME, start::<T>).is_some();
        assert!(!taken, "two tasks are called {}", T::NAME);
        self
    }

    /// Adds all tasks of another registry.
    ///
    /// # Panics
    /// As [`Tasks::with`].
    #[must_use]
    pub fn and(mut self, others: Tasks) -> Tasks {
        for (name, start) in others.0 {
            assert!(self.0.insert(name, start).is_none(), "two tasks are called {name}");
        }
        self
    }

    /// Whether this process can run a task of that name.
    pub fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The names of all tasks, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    /// Starts a task.
    ///
    /// # Errors
    /// If the name is not known or the arguments are not the task's.
    pub fn start(&self, name: &str, args: Value, cx: TaskContext) -> anyhow::Result<Running> {
        let start =
            self.0.get(name).with_context(|| format!("No plugin of this worker has a task {name}."))?;
        start(args, cx)
    }
}

fn start<T: Task>(args: Value, cx: TaskContext) -> anyhow::Result<Running> {
    let task: T = serde_json::from_value(args)
        .with_context(|| format!("The arguments of the task {} cannot be read.", T::NAME))?;
    Ok(task.run(cx).boxed())
}
