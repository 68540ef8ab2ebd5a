//! What a run did and found, as JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::checker::{RULES, Violation, story};
use super::history::History;

/// The outcome of one run.
#[derive(Debug)]
pub struct Report {
    /// What was random followed from it.
    pub seed: u64,
    /// How long the run took.
    pub seconds: u64,
    /// The style of tasking.
    pub style: &'static str,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Processes that were started again.
    pub restarts: u64,
    /// Requests whose outcome nobody knows.
    pub unanswered: u64,
    /// Files at the end with neither a row nor a tombstone.
    pub unknown_files: usize,
    /// What was recorded.
    pub history: History,
    /// Promises that were broken.
    pub violations: Vec<Violation>,
}

impl Report {
    /// The run as JSON.
    pub fn json(&self) -> Value {
        let mut tasks: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
        for task in self.history.tasks.values() {
            let state = format!("{:?}", task.state()).to_lowercase();
            *tasks.entry(&task.name).or_default().entry(state).or_default() += 1;
        }
        let violation = |violation: &Violation| {
            let concerned: BTreeSet<_> = violation.tasks.iter().collect();
            let stories: Vec<String> =
                concerned.into_iter().map(|task| story(&self.history, *task)).collect();
            json!({"rule": violation.rule, "detail": violation.detail, "tasks": stories})
        };
        json!({
            "seed": self.seed,
            "style": self.style,
            "seconds": self.seconds,
            "faults": self.faults,
            "restarts": self.restarts,
            "tasks": tasks,
            "checked": {
                "tasks": self.history.tasks.len(),
                "accepted": self.history.accepted.len(),
                "unanswered_requests": self.unanswered,
                "writes": self.history.writes.len(),
                "changes": self.history.tasks.values().map(|task| task.changes.len()).sum::<usize>(),
                "leaders": self.history.epochs.len(),
                "redis_events": self.history.redis.len(),
                "files_without_row": self.unknown_files,
                "rules": RULES.map(|(rule, _)| rule),
            },
            "violations": self.violations.iter().map(violation).collect::<Vec<_>>(),
        })
    }

    /// The run in one line.
    pub fn line(&self) -> String {
        format!(
            "seed {}: {} faults, {} tasks, {} writes, {} leaders, {} restarts, {} s: {}",
            self.seed,
            self.faults.values().sum::<u64>(),
            self.history.tasks.len(),
            self.history.writes.len(),
            self.history.epochs.len(),
            self.restarts,
            self.seconds,
            match self.violations.len() {
                0 => "all promises kept".to_owned(),
                count => format!("{count} violations"),
            }
        )
    }
}
