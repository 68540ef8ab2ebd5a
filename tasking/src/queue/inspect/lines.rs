//! Who is in whose way: the unfinished tasks in their order, each put behind the earlier ones that it
//! conflicts with.
//!
//! One step for each resource of a task, however long the line is: of each resource it is enough to know the
//! first task that needs it, and the first that needs it alone.

use std::collections::HashMap;

/// What an unfinished task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Behind {
    /// The earliest task in the way, by the order of joining.
    pub(super) first: usize,
    /// The resource.
    pub(super) resource: String,
    /// How many tasks are in the way there.
    pub(super) ahead: usize,
}

#[derive(Debug, Default)]
struct Line {
    first: Option<usize>,
    first_exclusive: Option<usize>,
    all: usize,
    exclusive: usize,
}

/// The lines of all resources.
#[derive(Debug, Default)]
pub(super) struct Lines {
    next: usize,
    resources: HashMap<String, Line>,
}

impl Lines {
    /// Puts a task behind all others, those that run first. Answers what is in its way, one entry a resource.
    pub(super) fn join(&mut self, exclusive: Vec<String>, shared: Vec<String>) -> Vec<Behind> {
        let task = self.next;
        self.next += 1;
        let mut needs: Vec<(String, bool)> = Vec::with_capacity(exclusive.len() + shared.len());
        let exclusive = exclusive.into_iter().map(|name| (name, true));
        for (name, alone) in exclusive.chain(shared.into_iter().map(|name| (name, false))) {
            if needs.iter().all(|(known, _)| *known != name) {
                needs.push((name, alone));
            }
        }
        let mut out = Vec::new();
        for (resource, alone) in needs {
            let line = match self.resources.get_mut(&resource) {
                Some(line) => line,
                None => self.resources.entry(resource.clone()).or_default(),
            };
            let (first, ahead) = match alone {
                true => (line.first, line.all),
                false => (line.first_exclusive, line.exclusive),
            };
            line.first.get_or_insert(task);
            line.all += 1;
            if alone {
                line.first_exclusive.get_or_insert(task);
                line.exclusive += 1;
            }
            out.extend(first.map(|first| Behind { first, resource, ahead }));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(line: &mut Lines, exclusive: &[&str], shared: &[&str]) -> Vec<(usize, String, usize)> {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let found = line.join(names(exclusive), names(shared));
        found.into_iter().map(|found| (found.first, found.resource, found.ahead)).collect()
    }

    #[test]
    fn tasks_wait_for_the_earliest_that_they_conflict_with() {
        let mut lines = Lines::default();
        assert_eq!(behind(&mut lines, &[], &["a"]), []);
        assert_eq!(behind(&mut lines, &[], &["a", "b"]), [], "sharing is no conflict");
        assert_eq!(behind(&mut lines, &["a"], &[]), [(0, "a".to_owned(), 2)]);
        assert_eq!(behind(&mut lines, &[], &["a"]), [(2, "a".to_owned(), 1)], "nobody overtakes");
        assert_eq!(
            behind(&mut lines, &["a", "b"], &["a"]),
            [(0, "a".to_owned(), 4), (1, "b".to_owned(), 1)],
            "named twice counts once"
        );
    }
}
