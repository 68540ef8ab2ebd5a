//! What is wrong, what to do about it, and what can be mended without a person.

use serde::Serialize;
use uuid::Uuid;

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Redis does not answer, or refuses.
    RedisAway,
    /// Nobody routes tasks.
    NoLeader,
    /// The leader's heartbeat is late.
    SilentLeader,
    /// The lease is held by somebody else than the leader by its row.
    LeaseOfAnother,
    /// The lease never ends, or later than its holder could have meant.
    LeaseWithoutEnd,
    /// No worker is alive.
    NoWorker,
    /// A worker's heartbeat is late.
    SilentWorker,
    /// Tasks are said to run on a process that is gone.
    AbandonedTasks,
    /// A task could run, somebody is idle, and nothing happens.
    NotRouted,
    /// A worker was told to run a task, and does not begin.
    NotClaimed,
    /// A task does not stop.
    NotStopping,
    /// No live worker has a task of that name.
    UnknownTask,
    /// Lists of a worker that is gone.
    ListWithoutOwner,
    /// An order for a task that needs none any more, or for somebody who is gone.
    StaleOrder,
    /// Messages that could not be read.
    RejectedMessages,
    /// Clocks differ.
    Clock,
}

/// Something that is wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub code: Code,
    /// What it is about: the same thing has the same subject at the next look.
    pub subject: String,
    /// What is the case.
    pub text: String,
    /// What to do, or what will happen by itself.
    pub advice: String,
    /// How it is mended, if that is safe to do at any time.
    pub repair: Option<Repair>,
    /// Whether it needs doing something. The others are only said.
    pub needs_action: bool,
}

/// What can be done at any time: nothing of it takes anything from a live process but hints, which come
/// again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Repair {
    /// Tell the resource manager of a task again.
    Ring {
        /// The task.
        task: Uuid,
    },
    /// Delete the queue and the processing list of a worker that is gone.
    DeleteLists {
        /// The name of the worker.
        name: String,
    },
    /// Delete a lease that never ends, or too late.
    DeleteLease {
        /// What it holds.
        value: String,
    },
    /// End tasks that run on processes that are gone.
    EndAbandoned,
    /// Drop messages that were kept aside, after printing them.
    DropRejected {
        /// The name of the queue.
        name: String,
    },
}

impl Finding {
    pub(super) fn new(code: Code, subject: impl ToString, text: impl Into<String>, advice: &str) -> Finding {
        let (subject, text) = (subject.to_string(), text.into());
        Finding { code, subject, text, advice: advice.to_owned(), repair: None, needs_action: true }
    }

    pub(super) fn mended_by(self, repair: Repair) -> Finding {
        Finding { repair: Some(repair), ..self }
    }

    pub(super) fn note(self) -> Finding {
        Finding { needs_action: false, ..self }
    }
}
