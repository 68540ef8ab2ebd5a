//! Hand-made histories, and what is wrong with them.

use super::*;
use crate::faults::history::{Change, Epoch, Event, Gone, Seen, Write};

const A: Uuid = Uuid::from_u128(0xa);
const B: Uuid = Uuid::from_u128(0xb);
const W: Uuid = Uuid::from_u128(1);
const V: Uuid = Uuid::from_u128(2);

fn change(at: Micros, before: Option<State>, after: State, worker: Option<Uuid>) -> Change {
    Change { at, before, after, worker, token: worker }
}

/// Waits from `at`, runs on `worker` from `start` to `end`.
fn task(at: Micros, worker: Uuid, start: Micros, end: Micros) -> Task {
    Task {
        exclusive: vec!["x".to_owned()],
        shared: vec!["domain".to_owned()],
        asked: Some(at - 1),
        answered: Some(at + 1),
        changes: vec![
            change(at, None, State::Waiting, None),
            change(start, Some(State::Waiting), State::Running, Some(worker)),
            change(end, Some(State::Running), State::Completed, Some(worker)),
        ],
        ..Task::default()
    }
}

fn history(a: Task, b: Task) -> History {
    let tasks = HashMap::from([(A, a), (B, b)]);
    History { accepted: HashSet::from([A, B]), tasks, settled: 1000, bound: 1000, ..History::default() }
}

fn rules(history: &History) -> Vec<&'static str> {
    let mut rules: Vec<_> = check(history).into_iter().map(|violation| violation.rule).collect();
    rules.dedup();
    rules
}

fn good() -> History {
    history(task(10, W, 20, 30), task(15, V, 30, 40))
}

#[test]
fn nothing_is_wrong_with_tasks_that_follow_each_other() {
    assert!(rules(&good()).is_empty(), "{:?}", check(&good()));
}

#[test]
fn an_overlap_is_seen_unless_both_share() {
    let mut history = history(task(10, W, 20, 31), task(15, V, 30, 40));
    assert_eq!(rules(&history), ["exclusive"]);
    for task in history.tasks.values_mut() {
        task.shared.append(&mut task.exclusive);
    }
    assert!(rules(&history).is_empty());
}

#[test]
fn an_overlap_with_one_that_never_ends_is_seen() {
    let mut history = good();
    history.tasks.get_mut(&A).unwrap().changes.pop();
    assert_eq!(rules(&history), ["exclusive", "final"]);
}

#[test]
fn overtaking_is_seen_but_not_among_concurrent_requests() {
    assert_eq!(rules(&history(task(10, W, 50, 60), task(15, V, 30, 40))), ["order"]);
    assert!(rules(&history(task(14, W, 50, 60), task(15, V, 30, 40))).is_empty());
}

#[test]
fn a_canceled_task_may_be_overtaken_only_afterwards() {
    let mut canceled = task(10, W, 20, 30);
    canceled.changes.truncate(1);
    canceled.changes.push(change(25, Some(State::Waiting), State::Canceled, None));
    assert!(rules(&history(canceled.clone(), task(15, V, 30, 40))).is_empty());
    assert_eq!(rules(&history(canceled, task(15, V, 22, 40))), ["order"]);
}

#[test]
fn a_lost_task_and_a_late_one_are_seen() {
    let mut history = good();
    history.tasks.remove(&A);
    assert_eq!(rules(&history), ["accepted"]);
    assert_eq!(rules(&super::tests::history(task(10, W, 20, 30), task(15, V, 30, 2001))), ["final"]);
}

#[test]
fn a_second_start_is_seen() {
    let mut history = good();
    let changes = &mut history.tasks.get_mut(&B).unwrap().changes;
    changes.push(change(50, Some(State::Completed), State::Running, Some(W)));
    changes.push(change(60, Some(State::Running), State::Completed, Some(W)));
    assert_eq!(rules(&history), ["once", "final is final"]);
}

#[test]
fn writes_outside_of_a_run_and_second_runs_are_seen() {
    let write = |run, at| Write { task: A, run, what: "step".to_owned(), at };
    for (writes, rule) in [
        (vec![write(W, 19)], "fence"),
        (vec![write(W, 31)], "fence"),
        (vec![write(W, 22), write(V, 23)], "one run"),
    ] {
        assert_eq!(rules(&History { writes, ..good() }), [rule]);
    }
    assert!(rules(&History { writes: vec![write(W, 22), write(W, 29)], ..good() }).is_empty());
}

#[test]
fn a_worker_claims_one_at_a_time_and_nothing_when_it_is_gone() {
    let mut history = history(task(10, W, 20, 35), task(15, W, 30, 40));
    history.tasks.get_mut(&B).unwrap().exclusive = vec!["y".to_owned()];
    assert_eq!(rules(&history), ["one at a time"]);
    assert_eq!(rules(&History { gone: vec![Gone { process: V, at: 25 }], ..good() }), ["given up"]);
}

fn seen(at: Micros, what: Event) -> Seen {
    Seen { at, what }
}

fn order(at: Micros, epoch: i64) -> Seen {
    seen(at, Event::Order { queue: "w".to_owned(), task: A, worker: W, epoch })
}

#[test]
fn orders_of_an_earlier_leader_are_seen() {
    let epochs = vec![Epoch { epoch: 1, at: 1 }, Epoch { epoch: 2, at: 18 }];
    let redis = vec![order(15, 1)];
    assert_eq!(rules(&History { epochs: epochs.clone(), redis, ..good() }), ["epoch"]);
    let redis = vec![order(15, 1), order(19, 2)];
    assert!(rules(&History { epochs: epochs.clone(), redis, ..good() }).is_empty());
    let redis = vec![order(15, 1), seen(19, Event::Blind)];
    assert!(rules(&History { epochs, redis, ..good() }).is_empty());
}

#[test]
fn orders_after_a_lost_lease_are_seen() {
    let epochs = vec![Epoch { epoch: 1, at: 1 }];
    let redis = vec![order(15, 1), seen(16, Event::Lost), order(18, 1)];
    assert_eq!(rules(&History { epochs, redis, ..good() }), ["lease"]);
}

#[test]
fn an_early_acknowledgement_is_seen() {
    let take = Event::Take("w".to_owned());
    for (task, early) in [(None, true), (Some(A), true), (Some(B), false)] {
        let acknowledge = Event::Acknowledge { queue: "w".to_owned(), task };
        let begin = vec![seen(14, take.clone()), order(15, 1), seen(16, acknowledge.clone())];
        let found = rules(&History { redis: begin.clone(), ..good() });
        assert_eq!(found == ["acknowledged"], early, "{task:?}: {found:?}");
        let still_queued = [begin, vec![seen(17, take.clone())]].concat();
        assert!(rules(&History { redis: still_queued, ..good() }).is_empty());
        let late = vec![seen(14, take.clone()), order(15, 1), seen(21, acknowledge)];
        assert!(rules(&History { redis: late, ..good() }).is_empty());
    }
}
