//! Says what in a history breaks a promise. A pure function: the same history, the same answer.

mod queues;
mod resources;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fmt;

use uuid::Uuid;

use super::history::{History, Micros, State, Task};

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub rule: &'static str,
    /// How.
    pub detail: String,
    /// The tasks concerned.
    pub tasks: Vec<Uuid>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.detail)
    }
}

/// The rules, and what they promise.
pub const RULES: [(&str, &str); 15] = [
    ("exclusive", "two tasks that name one resource never overlap, unless both share it"),
    ("order", "a task accepted before another one was asked for starts first if the two conflict"),
    ("accepted", "every accepted task is there"),
    ("final", "every task is final within a bounded time after the last fault"),
    ("once", "no task is started twice"),
    ("final is final", "nothing changes after a task is final, and no state is skipped"),
    ("one run", "a task's body runs once"),
    ("fence", "a task writes only while it runs"),
    ("one at a time", "a worker runs one task at a time"),
    ("given up", "a worker that is gone claims nothing"),
    ("epoch", "no order of an earlier leader is followed under a later one"),
    ("lease", "a leader whose lease is lost sends nothing more under its epoch"),
    ("acknowledged", "an order is acknowledged only after its effect"),
    ("files", "every artifact has its bytes at any time, with the right digest"),
    ("left over", "a clean stop leaves no lock, lease, order or process behind"),
];

/// Checks every rule.
pub fn check(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    resources::overlaps(history, &mut violations);
    resources::order(history, &mut violations);
    tasks(history, &mut violations);
    writes(history, &mut violations);
    workers(history, &mut violations);
    queues::epochs(history, &mut violations);
    queues::leases(history, &mut violations);
    queues::acknowledgements(history, &mut violations);
    for (rule, detail) in &history.found {
        violations.push(Violation { rule, detail: detail.clone(), tasks: Vec::new() });
    }
    violations
}

fn tasks(history: &History, violations: &mut Vec<Violation>) {
    let mut add = |rule, detail, id: &Uuid| {
        violations.push(Violation { rule, detail, tasks: vec![*id] });
    };
    for id in history.accepted.iter().filter(|id| !history.tasks.contains_key(id)) {
        add("accepted", format!("{id} was accepted and is not there"), id);
    }
    let last = history.settled + history.bound;
    for (id, task) in &history.tasks {
        match task.end() {
            None => add("final", format!("{} {id} is {:?} at the end", task.name, task.state()), id),
            Some(end) if end > last => {
                let late = (end - history.settled) / 1000;
                add("final", format!("{} {id} ended {late} ms after the last fault", task.name), id);
            }
            Some(_) => {}
        }
        let claims = task.changes.iter().filter(|change| starts(change.before, change.after)).count();
        if claims > 1 {
            add("once", format!("{} {id} was started {claims} times", task.name), id);
        }
        for pair in task.changes.windows(2) {
            let same_claim = (pair[0].worker, pair[0].token) == (pair[1].worker, pair[1].token);
            let claims = pair[0].after == State::Waiting && pair[1].after == State::Running;
            if !follows(pair[0].after, pair[1].after) || !(same_claim || claims) {
                let (before, after) = (pair[0].after, pair[1].after);
                let claim = if same_claim { "" } else { " under another claim" };
                add(
                    "final is final",
                    format!("{} {id} went from {before:?} to {after:?}{claim}", task.name),
                    id,
                );
            }
        }
    }
}

fn starts(before: Option<State>, after: State) -> bool {
    after == State::Running && before.is_some()
}

fn follows(before: State, after: State) -> bool {
    match before {
        State::Waiting => matches!(after, State::Running | State::Canceled),
        State::Running => after == State::Canceling || after.is_final(),
        State::Canceling => after.is_final(),
        _ => false,
    }
}

fn writes(history: &History, violations: &mut Vec<Violation>) {
    let mut runs: HashMap<Uuid, HashSet<Uuid>> = HashMap::new();
    for write in &history.writes {
        runs.entry(write.task).or_default().insert(write.run);
        let Some(task) = history.tasks.get(&write.task) else { continue };
        let begin = task.claim().map(|(at, _)| at);
        let stop = task.changes.iter().find(|change| {
            change.before.is_some() && change.after != State::Running && change.after != State::Waiting
        });
        let early = begin.is_none_or(|begin| write.at < begin);
        let late = stop.is_some_and(|stop| write.at > stop.at);
        if early || late {
            let (when, what) = (if early { "before its claim" } else { "after its end" }, &write.what);
            let detail = format!("{} {} wrote its {what} {when}", task.name, write.task);
            violations.push(Violation { rule: "fence", detail, tasks: vec![write.task] });
        }
    }
    for (id, runs) in runs.into_iter().filter(|(_, runs)| runs.len() > 1) {
        let detail = format!("the body of {id} ran {} times", runs.len());
        violations.push(Violation { rule: "one run", detail, tasks: vec![id] });
    }
}

fn workers(history: &History, violations: &mut Vec<Violation>) {
    let mut by_worker: HashMap<Uuid, Vec<(Micros, Micros, Uuid)>> = HashMap::new();
    for (id, task) in &history.tasks {
        if let Some((claim, worker)) = task.claim() {
            by_worker.entry(worker).or_default().push((claim, task.end().unwrap_or(Micros::MAX), *id));
        }
    }
    for (worker, mut claims) in by_worker {
        claims.sort_unstable();
        if let Some(gone) = history.gone.iter().find(|gone| gone.process == worker) {
            for (_, _, id) in claims.iter().filter(|(claim, ..)| *claim > gone.at) {
                let detail = format!("{worker} was gone and claimed {id}");
                violations.push(Violation { rule: "given up", detail, tasks: vec![*id] });
            }
        }
        for pair in claims.windows(2).filter(|pair| pair[0].1 > pair[1].0) {
            let detail = format!("{worker} claimed {} while it ran {}", pair[1].2, pair[0].2);
            violations.push(Violation { rule: "one at a time", detail, tasks: vec![pair[0].2, pair[1].2] });
        }
    }
}

/// What happened to a task, in lines for people.
pub fn story(history: &History, id: Uuid) -> String {
    let Some(task) = history.tasks.get(&id) else { return format!("{id}: no such row\n") };
    let mut lines = vec![(Micros::MIN, describe(task, id))];
    lines.extend(task.asked.map(|at| (at, "asked for".to_owned())));
    lines.extend(task.answered.map(|at| (at, "accepted".to_owned())));
    for change in &task.changes {
        let by = change.worker.map(|worker| format!(" by worker {worker}")).unwrap_or_default();
        lines.push((change.at, format!("{:?}{by}", change.after)));
    }
    let written = history.writes.iter().filter(|write| write.task == id);
    lines.extend(written.map(|write| (write.at, format!("wrote its {} (run {})", write.what, write.run))));
    lines.extend(queues::orders(history, id));
    lines.sort();
    lines
        .into_iter()
        .map(|(at, line)| if at == Micros::MIN { line } else { format!("  {at} {line}\n") })
        .collect()
}

fn describe(task: &Task, id: Uuid) -> String {
    format!(
        "{} {id} (number {}), exclusive {:?}, shared {:?}\n",
        task.name, task.seq, task.exclusive, task.shared
    )
}
