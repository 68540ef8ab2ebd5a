//! How long processors have worked for a process and all that it has started, as Linux counts it.

use std::collections::HashMap;

/// What `/proc` counts in, per second, on every machine that Postgres and Rust share.
const TICKS: f64 = 100.0;

/// Seconds of processor time of a process and its descendants so far, those included that have ended.
pub(crate) fn seconds(root: u32) -> f64 {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut ticks = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ends meanwhile is found with its parent the next time.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((parent, used)) = parse(&stat) else { continue };
        children.entry(parent).or_default().push(pid);
        ticks.insert(pid, used);
    }
    let (mut sum, mut left) = (0, vec![root]);
    while let Some(pid) = left.pop() {
        sum += ticks.get(&pid).copied().unwrap_or_default();
        left.extend(children.remove(&pid).unwrap_or_default());
    }
    sum as f64 / TICKS
}

/// The parent, and the ticks of the process and of those children that it has waited for.
fn parse(stat: &str) -> Option<(u32, u64)> {
    // The name of the program comes before, in parentheses, and may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let used = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some((fields.get(1)?.parse().ok()?, used))
}

/// Processor time that was used at some moment.
#[derive(Clone, Copy)]
pub(crate) struct Used {
    /// By everything that the benchmark has started and by itself, as the client of tasks.
    pub(crate) all: f64,
    /// By all processes of Postgres.
    pub(crate) postgres: f64,
}

impl Used {
    /// Until now.
    pub(crate) fn now(postgres: i32) -> Used {
        Used { all: seconds(std::process::id()), postgres: seconds(postgres.unsigned_abs()) }
    }

    /// Since then.
    pub(crate) fn since(self, then: Used) -> Used {
        Used { all: self.all - then.all, postgres: self.postgres - then.postgres }
    }

    /// Per so many.
    pub(crate) fn per(self, count: f64) -> Used {
        Used { all: self.all / count, postgres: self.postgres / count }
    }
}
