//! What a task is: arguments, a name, the resources it needs, and a body.

use std::future::Future;

use entities::Prn;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::TaskContext;

/// A piece of work. Its fields are its arguments and are kept as JSON in the task's row, so they must not
/// hold secrets in the clear.
pub trait Task: Serialize + DeserializeOwned + Send + 'static {
    /// The dotted name clients know (T03); unique.
    const NAME: &'static str;

    /// What the task needs for itself or together with others while it runs.
    fn resources(&self) -> Resources;

    /// Does the work. It may be dropped at any await point when the task is canceled.
    ///
    /// # Errors
    /// The error's chain becomes the description of the failed task, which a user reads (T04).
    fn run(self, cx: TaskContext) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// The resources of a task, by PRN. Two tasks that name one of them exclude each other, unless both only
/// share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Nobody else may use these meanwhile (T05).
    pub exclusive: Vec<Prn>,
    /// Nobody else may use these exclusively meanwhile (T06).
    pub shared: Vec<Prn>,
}

impl Resources {
    /// Nothing but the domain, which every task shares.
    pub fn none() -> Resources {
        Resources::default()
    }

    /// Adds a resource for this task alone.
    #[must_use]
    pub fn exclusive(mut self, resource: Prn) -> Resources {
        self.exclusive.push(resource);
        self
    }

    /// Adds a resource to share.
    #[must_use]
    pub fn shared(mut self, resource: Prn) -> Resources {
        self.shared.push(resource);
        self
    }
}
