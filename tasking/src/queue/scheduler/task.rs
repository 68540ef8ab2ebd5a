//! An unfinished task as the scheduler sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

/// What a worker must know to run a task; tasks of one name are of one kind. The caller draws the numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u32);

/// The kinds of tasks that a worker knows.
pub type Skills = Arc<BTreeSet<Kind>>;

/// How a task needs a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Alone.
    Exclusive,
    /// Together with others who share it.
    Shared,
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the line of at least one resource.
    Blocked,
    /// It holds all it needs; no worker has it.
    Runnable,
    /// With a worker, as its current or its reserved task.
    With(Uuid),
}

#[derive(Debug)]
pub(super) struct Task {
    /// Its one position in every line.
    pub(super) position: u64,
    pub(super) kind: Kind,
    /// What it needs, each resource once.
    pub(super) needs: Box<[(Arc<str>, Mode)]>,
    /// How many of its needs are not granted.
    pub(super) missing: u32,
    /// Where it is.
    pub(super) place: Place,
}
