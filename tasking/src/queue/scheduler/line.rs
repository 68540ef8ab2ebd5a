//! The line of those who need one resource, in order of position.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::task::Mode;

/// Who holds the resource and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// How many share it.
    shared: usize,
    /// Whether somebody has it alone.
    exclusive: bool,
    /// The others, by position.
    waiting: BTreeMap<u64, (Uuid, Mode)>,
}

impl Line {
    /// Joins at the end. True if the resource is granted at once.
    pub(super) fn join(&mut self, position: u64, id: Uuid, mode: Mode) -> bool {
        if self.waiting.is_empty() && self.grants(mode) {
            self.hold(mode);
            return true;
        }
        self.waiting.insert(position, (id, mode));
        false
    }

    /// Leaves, whether holding or waiting. Answers who is granted the resource by that.
    pub(super) fn leave(&mut self, position: u64, mode: Mode) -> Vec<Uuid> {
        if self.waiting.remove(&position).is_none() {
            match mode {
                Mode::Exclusive => self.exclusive = false,
                Mode::Shared => self.shared -= 1,
            }
        }
        let mut granted = Vec::new();
        while let Some(first) = self.waiting.first_entry() {
            let (id, mode) = *first.get();
            if !grants(self.shared, self.exclusive, mode) {
                break;
            }
            first.remove();
            self.hold(mode);
            granted.push(id);
        }
        granted
    }

    /// Whether nobody needs the resource.
    pub(super) fn is_empty(&self) -> bool {
        self.shared == 0 && !self.exclusive && self.waiting.is_empty()
    }

    fn grants(&self, mode: Mode) -> bool {
        grants(self.shared, self.exclusive, mode)
    }

    fn hold(&mut self, mode: Mode) {
        match mode {
            Mode::Exclusive => self.exclusive = true,
            Mode::Shared => self.shared += 1,
        }
    }
}

fn grants(shared: usize, exclusive: bool, mode: Mode) -> bool {
    !exclusive && (mode == Mode::Shared || shared == 0)
}
