//! The names of everything in Redis, with the installation's prefix (`REDIS_KEY_PREFIX`).

use uuid::Uuid;

/// Makes names.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Keys {
        Keys { prefix: prefix.to_owned() }
    }

    /// The list of notices to the resource manager; its length is the depth of that queue.
    pub(crate) fn manager(&self) -> String {
        self.queue(crate::queue::process::RESOURCE_MANAGER)
    }

    /// The lease of the leader: a string that is gone when it is not renewed.
    pub(crate) fn lease(&self) -> String {
        format!("{}resource-manager:lease", self.prefix)
    }

    /// The list of orders to the worker of that name.
    pub(crate) fn queue(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Where messages of a queue are until their effect is done.
    pub(crate) fn processing(&self, name: &str) -> String {
        format!("{}{name}:processing", self.prefix)
    }

    /// Where messages of a queue are kept that could not be read.
    pub(crate) fn rejected(&self, name: &str) -> String {
        format!("{}{name}:rejected", self.prefix)
    }

    /// What all names begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The channel on which a worker is told of canceled tasks.
    pub(crate) fn cancel(&self, worker: Uuid) -> String {
        format!("{}cancel:{worker}", self.prefix)
    }
}
