//! What is said over Redis. Every message is a hint about rows: late, repeated or lost ones do no harm.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// To the resource manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Notice {
    /// A row was written.
    Dispatched {
        /// The task.
        task: Uuid,
    },
    /// A waiting task was canceled.
    Canceled {
        /// The task.
        task: Uuid,
    },
    /// A task is final.
    Finished {
        /// Who ran it.
        worker: Uuid,
        /// The task.
        task: Uuid,
        /// The reserved task that it claimed in the same commit.
        next: Option<Uuid>,
    },
    /// A claim was refused: look at the row.
    Refused {
        /// Who tried.
        worker: Uuid,
        /// The task.
        task: Uuid,
    },
    /// A worker has nothing to do.
    Ready {
        /// The worker.
        worker: Uuid,
    },
    /// A worker has stopped.
    Left {
        /// The worker.
        worker: Uuid,
    },
}

/// To a worker: claim this task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The task.
    pub(crate) task: Uuid,
    /// For whom; a successor with the same label leaves it.
    pub(crate) worker: Uuid,
    /// The leader's epoch; the claim is refused if it is over.
    pub(crate) epoch: i64,
    /// When nothing stood in the task's way any more.
    pub(crate) unblocked_at: DateTime<Utc>,
    /// Whether other tasks could run as well: it is worth a moment's wait for the next order.
    #[serde(default)]
    pub(crate) more: bool,
}
