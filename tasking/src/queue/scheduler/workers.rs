//! The workers as the scheduler sees them: what each has, who is idle, and who may get a task reserved.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use super::task::{Kind, Skills};

#[derive(Debug, Default)]
struct Worker {
    /// The number of its group.
    group: usize,
    current: Option<Uuid>,
    reserved: Option<(Uuid, Kind)>,
    /// Whether it takes tasks. One that does not is only known because rows say that it runs one.
    up: bool,
    /// Whether its current task takes a while.
    slow: bool,
    /// Whether its reserved task was called back.
    recalled: bool,
    /// Whether it has said anything since it takes tasks: one that has just come may be gone already.
    proven: bool,
    /// Its place among the idle ones of its group.
    rank: Rank,
}

/// The last one is chosen first: those that are proven before the others, and then who was heard of last.
/// The number counts such events.
type Rank = (bool, u64);

/// Workers who know the same. Usually that is all of them; during an update there are two groups.
#[derive(Debug, Default)]
struct Group {
    skills: Skills,
    /// How many are up.
    up: usize,
    /// Up and without a task.
    idle: BTreeMap<Rank, Uuid>,
    /// Up, with a quick current task and none reserved.
    open: BTreeSet<Uuid>,
}

#[derive(Debug, Default)]
pub(super) struct Workers {
    all: HashMap<Uuid, Worker>,
    groups: Vec<Group>,
    /// With a reserved task that was not called back.
    reserving: BTreeSet<Uuid>,
    /// Those of them whose current task is slow.
    stuck: BTreeSet<Uuid>,
    /// Called back and not yet answered.
    recalled: usize,
    /// Counts how often an idle worker was heard of, or a worker became idle.
    events: u64,
}

impl Workers {
    /// The worker's current task.
    pub(super) fn current(&self, id: Uuid) -> Option<Uuid> {
        self.all.get(&id)?.current
    }

    /// Whether the worker takes tasks.
    pub(super) fn is_up(&self, id: Uuid) -> bool {
        self.all.get(&id).is_some_and(|worker| worker.up)
    }

    /// Every worker that takes tasks.
    pub(super) fn all(&self) -> impl Iterator<Item = Uuid> {
        self.all.iter().filter(|(_, worker)| worker.up).map(|(id, _)| *id)
    }

    /// The worker takes tasks of these kinds.
    pub(super) fn up(&mut self, id: Uuid, skills: &Skills) {
        if self.is_up(id) {
            return;
        }
        let known = self.groups.iter().position(|group| group.skills == *skills);
        let group = known.unwrap_or_else(|| {
            self.groups.push(Group { skills: skills.clone(), ..Group::default() });
            self.groups.len() - 1
        });
        // It is in no set of a group before it is up.
        self.all.entry(id).or_default().group = group;
        self.change(id, |worker| worker.up = true);
    }

    /// The worker, which takes tasks, has said something.
    pub(super) fn heard(&mut self, id: Uuid) {
        let Some(worker) = self.all.get_mut(&id).filter(|worker| worker.up) else { return };
        worker.proven = true;
        if worker.is_idle()
            && let Some(group) = self.groups.get_mut(worker.group)
        {
            group.idle.remove(&worker.rank);
            self.events += 1;
            worker.rank = (true, self.events);
            group.idle.insert(worker.rank, id);
        }
    }

    /// Whether an idle worker knows this kind of task.
    pub(super) fn has_idle(&self, kind: Kind) -> bool {
        self.knowing(kind).any(|group| !group.idle.is_empty())
    }

    /// Whether a worker who is up knows this kind of task.
    pub(super) fn knows(&self, kind: Kind) -> bool {
        self.knowing(kind).any(|group| group.up > 0)
    }

    /// Whether a task of this kind can be placed.
    pub(super) fn has_room(&self, kind: Kind) -> bool {
        self.knowing(kind).any(|group| !group.idle.is_empty() || !group.open.is_empty())
    }

    fn knowing(&self, kind: Kind) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(move |group| group.skills.contains(&kind))
    }

    /// Forgets the worker. Answers what it had.
    pub(super) fn down(&mut self, id: Uuid) -> impl Iterator<Item = Uuid> + use<> {
        let mut had = (None, None);
        self.change(id, |worker| {
            had = (worker.current.take(), worker.reserved.take().map(|(task, _)| task));
            worker.up = false;
            worker.proven = false;
        });
        had.0.into_iter().chain(had.1)
    }

    /// The worker's current task takes a while.
    pub(super) fn slow(&mut self, id: Uuid) {
        if self.current(id).is_some() {
            self.change(id, |worker| worker.slow = true);
        }
    }

    /// The worker runs this task. Answers what it was thought to run.
    pub(super) fn run(&mut self, id: Uuid, task: Uuid) -> Option<Uuid> {
        let mut displaced = None;
        self.change(id, |worker| {
            displaced = worker.current.replace(task);
            worker.slow = false;
        });
        displaced
    }

    /// The task is not with the worker any more. A reserved one takes the place of the current one.
    pub(super) fn leave(&mut self, id: Uuid, task: Uuid) {
        self.change(id, |worker| {
            if worker.reserved.is_some_and(|(reserved, _)| reserved == task) {
                worker.reserved = None;
            }
            if worker.current == Some(task) {
                worker.current = worker.reserved.take().map(|(task, _)| task);
                worker.slow = false;
            }
        });
    }

    /// Gives a task to an idle worker, or else reserves it with a quick one (then true).
    pub(super) fn place(&mut self, task: Uuid, kind: Kind) -> Option<(Uuid, bool)> {
        // The one that was heard of last is the likeliest to be there. Often it has worked last, so that its
        // sessions and caches are warm, and a crowd of idle workers costs nothing.
        let idle = self.knowing(kind).filter_map(|group| group.idle.last_key_value()).max();
        if let Some(id) = idle.map(|(_, id)| *id) {
            self.run(id, task);
            return Some((id, false));
        }
        let id = *self.knowing(kind).find_map(|group| group.open.first())?;
        self.change(id, |worker| worker.reserved = Some((task, kind)));
        Some((id, true))
    }

    /// Calls back reserved tasks: those behind a slow task, and one for each idle worker who knows it.
    pub(super) fn recall(&mut self) -> impl Iterator<Item = (Uuid, Uuid)> + use<> {
        let mut holders: Vec<Uuid> = self.stuck.iter().copied().collect();
        let idle: usize = self.groups.iter().map(|group| group.idle.len()).sum();
        let wanted = idle.saturating_sub(self.recalled + holders.len());
        if wanted > 0 {
            let helped = |id: &Uuid| {
                let kind = self.all.get(id).and_then(|worker| worker.reserved).map(|(_, kind)| kind);
                kind.is_some_and(|kind| self.knowing(kind).any(|group| !group.idle.is_empty()))
            };
            let reserving = self.reserving.iter().copied().filter(|id| !self.stuck.contains(id));
            holders.extend(reserving.filter(helped).take(wanted));
        }
        let mut called = Vec::with_capacity(holders.len());
        for id in holders {
            let reserved = self.all.get(&id).and_then(|worker| worker.reserved);
            called.extend(reserved.map(|(task, _)| (task, id)));
            self.change(id, |worker| worker.recalled = true);
        }
        called.into_iter()
    }

    /// Changes a worker and keeps the sets true.
    fn change(&mut self, id: Uuid, change: impl FnOnce(&mut Worker)) {
        let worker = self.all.entry(id).or_default();
        let (was_idle, was_up) = (worker.is_idle(), worker.up);
        let was_recalled = worker.recalled;
        change(worker);
        worker.recalled &= worker.reserved.is_some();
        worker.slow &= worker.current.is_some();
        // A worker that was never up has no group, and belongs to none of its sets.
        if let Some(group) = self.groups.get_mut(worker.group) {
            group.up = group.up + usize::from(worker.up) - usize::from(was_up);
            if was_idle && !worker.is_idle() {
                group.idle.remove(&worker.rank);
            } else if !was_idle && worker.is_idle() {
                self.events += 1;
                worker.rank = (worker.proven, self.events);
                group.idle.insert(worker.rank, id);
            }
            let open = worker.up && worker.current.is_some() && worker.reserved.is_none() && !worker.slow;
            keep(&mut group.open, id, open);
        }
        let reserving = worker.reserved.is_some() && !worker.recalled;
        keep(&mut self.reserving, id, reserving);
        keep(&mut self.stuck, id, reserving && worker.slow);
        self.recalled = self.recalled + usize::from(worker.recalled) - usize::from(was_recalled);
        if !worker.up && worker.current.is_none() && worker.reserved.is_none() {
            self.all.remove(&id);
        }
    }
}

impl Worker {
    fn is_idle(&self) -> bool {
        self.up && self.current.is_none()
    }
}

fn keep(set: &mut BTreeSet<Uuid>, id: Uuid, belongs: bool) {
    if belongs {
        set.insert(id);
    } else {
        set.remove(&id);
    }
}
