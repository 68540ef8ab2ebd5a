//! Who had which resource when: no overlap, and the order of requests.

use std::collections::HashMap;

use uuid::Uuid;

use super::Violation;
use crate::faults::history::{History, Micros, Task};

/// A use of one resource.
#[derive(Clone, Copy)]
struct Use<'a> {
    id: Uuid,
    task: &'a Task,
    exclusive: bool,
    start: Micros,
    end: Micros,
}

/// The uses of each resource, by start. A task that never ran counts as of its end, with no duration.
fn uses(history: &History) -> HashMap<&str, Vec<Use<'_>>> {
    let mut uses: HashMap<&str, Vec<Use<'_>>> = HashMap::new();
    for (id, task) in &history.tasks {
        let end = task.end().unwrap_or(Micros::MAX);
        let start = task.claim().map_or(end, |(at, _)| at);
        let one = Use { id: *id, task, exclusive: true, start, end };
        for resource in &task.exclusive {
            uses.entry(resource).or_default().push(one);
        }
        for resource in task.shared.iter().filter(|resource| !task.exclusive.contains(resource)) {
            uses.entry(resource).or_default().push(Use { exclusive: false, ..one });
        }
    }
    for list in uses.values_mut() {
        list.sort_by_key(|one| (one.start, one.end));
    }
    uses
}

/// Of the uses so far, the one with the greatest key: of all of them, and of the exclusive ones.
#[derive(Default)]
struct Greatest<'a> {
    any: Option<(Micros, Use<'a>)>,
    exclusive: Option<(Micros, Use<'a>)>,
}

impl<'a> Greatest<'a> {
    fn add(&mut self, key: Micros, one: Use<'a>) {
        let better = |best: &Option<(Micros, Use<'_>)>| best.is_none_or(|(greatest, _)| key > greatest);
        if better(&self.any) {
            self.any = Some((key, one));
        }
        if one.exclusive && better(&self.exclusive) {
            self.exclusive = Some((key, one));
        }
    }

    /// Of those that conflict with `one`.
    fn against(&self, one: Use<'_>) -> Option<(Micros, Use<'a>)> {
        if one.exclusive { self.any } else { self.exclusive }
    }
}

/// No two tasks overlap on a resource, unless both share it.
pub(super) fn overlaps(history: &History, violations: &mut Vec<Violation>) {
    for (resource, uses) in uses(history) {
        let mut running = Greatest::default();
        for one in uses.into_iter().filter(|one| one.task.claim().is_some()) {
            if let Some((end, other)) = running.against(one)
                && end > one.start
            {
                let detail = format!("{} started on {resource} while {} ran", one.id, other.id);
                violations.push(Violation { rule: "exclusive", detail, tasks: vec![other.id, one.id] });
            }
            running.add(one.end, one);
        }
    }
}

/// What was accepted before another one was asked for starts before it. A task that was canceled before it
/// started must not have been overtaken by then either.
pub(super) fn order(history: &History, violations: &mut Vec<Violation>) {
    for (resource, uses) in uses(history) {
        let mut started = Greatest::default();
        for one in uses {
            if let Some((asked, other)) = started.against(one)
                && let Some(answered) = one.task.answered
                && answered < asked
                && other.start < one.start
            {
                let detail = format!(
                    "{} was accepted before {} was asked for, and was overtaken on {resource}",
                    one.id, other.id
                );
                violations.push(Violation { rule: "order", detail, tasks: vec![one.id, other.id] });
            }
            if let Some(asked) = one.task.asked
                && one.task.claim().is_some()
            {
                started.add(asked, one);
            }
        }
    }
}
