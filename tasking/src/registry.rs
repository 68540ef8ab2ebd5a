//! What a process can run: tasks, from a name and arguments to a running future, and the types of
//! repositories they work on.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::repository_type::RepositoryTypes;
use crate::{RepositoryType, Task, TaskContext};

/// A running task body.
pub type Running = BoxFuture<'static, anyhow::Result<()>>;

type Start = fn(Value, TaskContext) -> anyhow::Result<Running>;

/// Tasks by name, and the types of repositories.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    starts: BTreeMap<&'static str, Start>,
    repositories: RepositoryTypes,
}

impl Tasks {
    /// Adds a task.
    ///
    /// # Panics
    /// If the name is taken: two plugins claim it, which no run of the process can repair.
    #[must_use]
    pub fn with<T: Task>(mut self) -> Tasks {
        let taken = self.starts.insert(T::NAME, start::<T>).is_some();
        assert!(!taken, "two tasks are called {}", T::NAME);
        self
    }

    /// Adds types of repositories, which the tasks find in their context.
    ///
    /// # Panics
    /// If two of them have the same `pulp_type`.
    #[must_use]
    pub fn with_repositories(mut self, types: impl IntoIterator<Item = RepositoryType>) -> Tasks {
        types.into_iter().for_each(|repositories| self.repositories.add(Arc::new(repositories)));
        self
    }

    /// Adds all tasks and types of others.
    ///
    /// # Panics
    /// As [`Tasks::with`] and [`Tasks::with_repositories`].
    #[must_use]
    pub fn and(mut self, others: Tasks) -> Tasks {
        for (name, start) in others.starts {
            assert!(self.starts.insert(name, start).is_none(), "two tasks are called {name}");
        }
        self.repositories.extend(others.repositories);
        self
    }

    /// The types of repositories.
    pub fn repositories(&self) -> &RepositoryTypes {
        &self.repositories
    }

    /// Whether this process can run a task of that name.
    pub fn knows(&self, name: &str) -> bool {
        self.starts.contains_key(name)
    }

    /// The names of all tasks, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.starts.keys().copied()
    }

    /// Starts a task.
    ///
    /// # Errors
    /// If the name is not known or the arguments are not the task's.
    pub fn start(&self, name: &str, args: Value, cx: TaskContext) -> anyhow::Result<Running> {
        let start =
            self.starts.get(name).with_context(|| format!("No plugin of this worker has a task {name}."))?;
        start(args, cx)
    }
}

fn start<T: Task>(args: Value, cx: TaskContext) -> anyhow::Result<Running> {
    let task: T = serde_json::from_value(args)
        .with_context(|| format!("The arguments of the task {} cannot be read.", T::NAME))?;
    Ok(task.run(cx).boxed())
}
