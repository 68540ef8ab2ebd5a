//! Core's database functions: one file each, listed in the order in which they are applied and are best read.
//!
//! A step of a task's life is a function in PL/pgSQL where it has to take a lock and then look again with a
//! new snapshot, in one round trip: what was committed while it waited for the lock must be seen. One
//! statement cannot do that, since its snapshot is older than its locks, and a round trip for each statement
//! would triple what a task costs. What such a step calls while it holds the lock is PL/pgSQL as well, as
//! Postgres keeps the plans of PL/pgSQL for the session but plans the body of a plain SQL function at every
//! call. Everything else is a plain SQL function if several callers share it, and otherwise a statement in
//! the code that sends it.

use std::borrow::Cow;

use entities::db::lock;
use sha2::{Digest, Sha256};

/// A database function: the file that creates or replaces it.
#[derive(Clone, Debug)]
pub struct Function {
    pub(crate) name: &'static str,
    pub(crate) sql: Cow<'static, str>,
    pub(crate) of_trigger: bool,
}

impl Function {
    /// The function `name`, created or replaced by `sql`. Applied after the steps; what its body names must
    /// be there by then, in the tables or in an earlier function.
    pub const fn new(name: &'static str, sql: &'static str) -> Function {
        Function { name, sql: Cow::Borrowed(sql), of_trigger: false }
    }

    /// The function `name` of a trigger. Applied before the steps, so that they can create the trigger; it is
    /// in PL/pgSQL, which looks for the tables only when it runs.
    pub const fn of_trigger(name: &'static str, sql: &'static str) -> Function {
        Function { name, sql: Cow::Borrowed(sql), of_trigger: true }
    }

    /// The key of an advisory lock, so that SQL and Rust name it once.
    fn of_lock(name: &'static str, key: i32) -> Function {
        let sql = format!(
            "CREATE OR REPLACE FUNCTION {name}() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT {key}'"
        );
        Function { name, sql: Cow::Owned(sql), of_trigger: false }
    }

    /// SHA-256 of the file, in hexadecimal digits.
    pub(crate) fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.sql.as_bytes()))
    }
}

/// Functions whose files are called as they are.
macro_rules! files {
    ($kind:ident: $($name:literal),* $(,)?) => {
        [$(Function::$kind($name, include_str!(concat!("functions/", $name, ".sql")))),*]
    };
}

/// All of core's, in their order.
pub(crate) fn core() -> Vec<Function> {
    let triggers = files![of_trigger:
        "create_version_zero",
        "touch_last_updated",
        "forget_created_resource",
        "enforce_style",
    ];
    let locks = [
        ("lock_leader", lock::LEADER),
        ("lock_worker", lock::WORKER),
        ("lock_queue", lock::QUEUE),
        ("lock_turn", lock::QUEUE_TURN),
        ("lock_claim", lock::CLAIM),
    ];
    // Both styles.
    let life = files![new:
        "become_leader",
        "still_leads",
        "refuse_claim",
        "take_task",
        "finish_task",
        "end_tasks_of",
        "declare_missing",
        "end_orphaned",
        "fail_unknown",
    ];
    let content = files![new: "installation", "served_versions"];
    // The queue without Redis.
    let queue = files![new:
        "worker_channel",
        "last_number",
        "wake_idle",
        "acquire_queue",
        "take_changes",
        "release_tasks",
        "admit_tasks",
        "advance_queue",
        "poll_queue",
        "claim_ready",
        "finish_and_claim",
        "any_work",
        "any_late",
        "become_idle",
        "stay_idle",
        "record_ended",
        "find_late_changes",
        "find_missed_changes",
        "unknown_task_names",
        "fail_unclaimable",
        "elect_coordinator",
    ];
    let locks = locks.map(|(name, key)| Function::of_lock(name, key));
    triggers.into_iter().chain(locks).chain(life).chain(content).chain(queue).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_is_listed_once_and_creates_the_function_it_is_called_after() {
        let functions = core();
        let listed: BTreeSet<&str> = functions.iter().map(|function| function.name).collect();
        assert_eq!(listed.len(), functions.len());
        for function in &functions {
            let head = format!("CREATE OR REPLACE FUNCTION {}(", function.name);
            let code = function.sql.lines().find(|line| !line.starts_with("--")).unwrap();
            assert!(code.starts_with(&head), "{code}");
        }
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/functions");
        for file in std::fs::read_dir(directory).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(listed.contains(name), "{name}.sql is not in the list");
        }
    }
}
