//! Histories of a queue, drawn at random: what happens to the rows and to the scheduler alike.

use proptest::prelude::*;

/// Kinds of tasks. Every worker knows the first one, none the last one.
pub(crate) const KINDS: u8 = 4;

/// What a task is, drawn at random.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft {
    pub(crate) kind: u8,
    pub(crate) exclusive: u8,
    pub(crate) shared: u8,
}

/// Something that happens to both. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Submit(Draft),
    /// A submission whose transaction stays open, so that later ones are committed before it.
    SubmitSlowly(Draft),
    Commit,
    Cancel(u8),
    Up(u8),
    Claim(u8),
    /// A worker ends its task, and may claim another one with the same step.
    Finish {
        task: u8,
        claims: bool,
    },
    /// A worker is declared missing.
    GiveUp(u8),
    /// The row of a worker says that it is gone, and its tasks are found by the sweep.
    Vanish(u8),
    /// Tasks are failed that no worker knows.
    FailUnknown,
    /// All notices are lost, and what they told of is found by the sweep.
    LoseNotices,
    /// Notices are read, so many at most.
    MoveOn(i32),
}

/// Any event; the likelier ones are those that keep a history going.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    let draft = (0..10u8, any::<[u8; 4]>()).prop_map(|(kind, [one, two, three, four])| Draft {
        // Mostly the kind that every worker knows.
        kind: kind.saturating_sub(10 - KINDS),
        exclusive: one & two & three,
        shared: three & four,
    });
    prop_oneof![
        14 => draft.clone().prop_map(Event::Submit),
        1 => draft.prop_map(Event::SubmitSlowly),
        1 => Just(Event::Commit),
        5 => any::<u8>().prop_map(Event::Cancel),
        6 => any::<u8>().prop_map(Event::Up),
        9 => any::<u8>().prop_map(Event::Claim),
        9 => any::<(u8, bool)>().prop_map(|(task, claims)| Event::Finish { task, claims }),
        1 => any::<u8>().prop_map(Event::GiveUp),
        1 => any::<u8>().prop_map(Event::Vanish),
        1 => Just(Event::FailUnknown),
        1 => Just(Event::LoseNotices),
        8 => prop_oneof![Just(1), Just(3), Just(1000), Just(1000)].prop_map(Event::MoveOn),
    ]
}
