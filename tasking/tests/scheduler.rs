//! The scheduler against a naive model that recomputes everything at every step.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tasking::scheduler::{Assignment, Kind, Scheduler, Skills};
use uuid::Uuid;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const WORKERS: u8 = 4;
/// Kinds of tasks. Everybody knows the first one, nobody the last one.
const KINDS: u8 = 4;
/// Unfinished tasks at most.
const CROWD: usize = 10;

/// Something that happens to both. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
enum Event {
    Submit { kind: u8, exclusive: u8, shared: u8 },
    Repeat(u8),
    Finish(u8),
    Cancel(u8),
    Up(u8),
    Down(u8),
    Slow(u8),
    Return(u8),
    Claim(u8, u8),
}

#[derive(Clone, Copy, Debug)]
struct Known {
    id: Uuid,
    kind: u8,
    exclusive: u8,
    shared: u8,
    worker: Option<u8>,
}

impl Known {
    fn conflicts(&self, other: &Known) -> bool {
        self.exclusive & (other.exclusive | other.shared) != 0 || self.shared & other.exclusive != 0
    }
}

/// Unfinished tasks in order, and who takes tasks.
struct Model {
    scheduler: Scheduler,
    tasks: Vec<Known>,
    up: [bool; WORKERS as usize],
    slow: [bool; WORKERS as usize],
    next: u128,
}

fn worker(number: u8) -> Uuid {
    Uuid::from_u128(0xff00 + u128::from(number))
}

/// What a worker knows: two pairs know different things.
fn knows(number: u8, kind: u8) -> bool {
    kind == 0 || kind + 1 < KINDS && kind % 2 == number % 2
}

fn skills(number: u8) -> Skills {
    Skills::new((0..KINDS).filter(|kind| knows(number, *kind)).map(|kind| Kind(kind.into())).collect())
}

fn names(mask: u8) -> impl Iterator<Item = &'static str> {
    NAMES.iter().enumerate().filter(move |(bit, _)| mask >> bit & 1 == 1).map(|(_, name)| *name)
}

impl Model {
    fn new() -> Model {
        let (up, slow) = ([false; WORKERS as usize], [false; WORKERS as usize]);
        Model { scheduler: Scheduler::new(), tasks: Vec::new(), up, slow, next: 1 << 64 }
    }

    fn happen(&mut self, event: Event) {
        let count = self.tasks.len();
        let pick = |number: u8| (count > 0).then(|| usize::from(number) % count);
        match event {
            Event::Submit { kind, exclusive, shared } if count < CROWD => {
                self.next += 1;
                let (id, kind) = (Uuid::from_u128(self.next), kind % KINDS);
                self.scheduler.submit(id, Kind(kind.into()), names(exclusive), names(shared));
                self.tasks.push(Known { id, kind, exclusive, shared: shared & !exclusive, worker: None });
            }
            Event::Submit { .. } => {}
            Event::Repeat(number) => {
                let Some(index) = pick(number) else { return };
                let task = self.tasks[index];
                self.scheduler.submit(
                    task.id,
                    Kind(task.kind.into()),
                    names(task.exclusive),
                    names(task.shared),
                );
            }
            Event::Finish(number) | Event::Cancel(number) => {
                let Some(index) = pick(number) else { return };
                let task = self.tasks.remove(index);
                self.current_changes(task.id, task.worker);
                if matches!(event, Event::Finish(_)) {
                    self.scheduler.finished(task.id);
                } else {
                    self.scheduler.canceled(task.id);
                }
                self.scheduler.finished(task.id);
            }
            Event::Up(number) => {
                let number = number % WORKERS;
                self.up[usize::from(number)] = true;
                self.scheduler.worker_up(worker(number), &skills(number));
            }
            Event::Down(number) => {
                let number = number % WORKERS;
                self.up[usize::from(number)] = false;
                self.slow[usize::from(number)] = false;
                for task in &mut self.tasks {
                    task.worker = task.worker.filter(|with| *with != number);
                }
                self.scheduler.worker_down(worker(number));
            }
            Event::Slow(number) => {
                let number = number % WORKERS;
                self.slow[usize::from(number)] |= self.scheduler.current(worker(number)).is_some();
                self.scheduler.slow(worker(number));
            }
            Event::Return(number) => {
                let Some(index) = pick(number) else { return };
                let task = self.tasks[index];
                self.current_changes(task.id, task.worker);
                self.tasks[index].worker = None;
                self.scheduler.returned(task.id);
            }
            Event::Claim(number, by) => {
                let (Some(index), by) = (pick(number), by % WORKERS) else { return };
                let task = self.tasks[index];
                let free = !self.tasks[..index].iter().any(|earlier| earlier.conflicts(&task));
                let current = self.scheduler.current(worker(by));
                if free && current != Some(task.id) {
                    self.current_changes(task.id, task.worker);
                    // Whatever else the worker was thought to run goes back, or stays reserved behind.
                    for other in self.tasks.iter_mut().filter(|other| Some(other.id) == current) {
                        other.worker = None;
                    }
                    self.tasks[index].worker = Some(by);
                    self.slow[usize::from(by)] = false;
                }
                self.scheduler.claimed(task.id, worker(by));
            }
        }
    }

    /// A worker that loses its current task is quick again.
    fn current_changes(&mut self, task: Uuid, with: Option<u8>) {
        if let Some(number) = with
            && self.scheduler.current(worker(number)) == Some(task)
        {
            self.slow[usize::from(number)] = false;
        }
    }

    fn runnable(&self, index: usize) -> bool {
        !self.tasks[..index].iter().any(|earlier| earlier.conflicts(&self.tasks[index]))
    }

    /// Takes what is assigned, and looks whether it is what it should be.
    fn settle(&mut self) {
        let idle_before = self.idle();
        for assignment in self.scheduler.assignments() {
            let (task, by, reserves) = match assignment {
                Assignment::Run { task, worker } => (task, worker, false),
                Assignment::Reserve { task, worker } => (task, worker, true),
                Assignment::TakeBack { task, worker } => {
                    assert_eq!(self.scheduler.worker_of(task), Some(worker));
                    continue;
                }
            };
            let number = (0..WORKERS).find(|number| worker(*number) == by).unwrap();
            let index = self.tasks.iter().position(|known| known.id == task).unwrap();
            assert!(self.up[usize::from(number)], "a worker that is down gets a task");
            assert!(self.runnable(index), "a task overtakes one that it conflicts with");
            assert!(self.tasks[index].worker.is_none(), "a task is assigned twice");
            assert!(knows(number, self.tasks[index].kind), "a worker gets what it does not know");
            assert!(
                self.tasks[..index].iter().enumerate().all(|(earlier, known)| known.worker.is_some()
                    || !self.runnable(earlier)
                    || !knows(number, known.kind)),
                "an earlier runnable task is passed over"
            );
            assert_eq!(!reserves, self.scheduler.current(by) == Some(task), "reserved means behind another");
            assert!(!reserves || !self.slow[usize::from(number)], "reserved behind a slow task");
            self.tasks[index].worker = Some(number);
        }
        for number in 0..WORKERS {
            let with = self.tasks.iter().filter(|task| task.worker == Some(number)).count();
            assert!(with <= 2, "a worker has {with} tasks");
        }
        for (index, task) in self.tasks.iter().enumerate() {
            assert_eq!(self.scheduler.worker_of(task.id), task.worker.map(worker));
            assert!(task.worker.is_none() || self.runnable(index), "a blocked task is with a worker");
            if self.idle_for(task.kind) > 0 {
                assert!(
                    task.worker.is_some() || !self.runnable(index),
                    "somebody is idle, and a task could run"
                );
            }
        }
        assert!(self.idle() <= idle_before);
        let unknown =
            |kind: u8| !(0..WORKERS).any(|number| self.up[usize::from(number)] && knows(number, kind));
        let unplaced = (0..self.tasks.len()).filter(|index| {
            let task = &self.tasks[*index];
            task.worker.is_none() && self.runnable(*index) && unknown(task.kind)
        });
        let unplaceable = self.scheduler.unplaceable().flat_map(|(_, tasks)| tasks);
        let mut unplaceable: Vec<Uuid> = unplaceable.collect();
        unplaceable.sort();
        assert_eq!(unplaceable, unplaced.map(|index| self.tasks[index].id).collect::<Vec<_>>());
        assert_eq!(self.scheduler.len(), self.tasks.len());
    }

    /// How many idle workers know a kind; everybody knows the first one.
    fn idle_for(&self, kind: u8) -> usize {
        let idle =
            |number: &u8| self.up[usize::from(*number)] && self.scheduler.current(worker(*number)).is_none();
        (0..WORKERS).filter(|number| idle(number) && knows(*number, kind)).count()
    }

    fn idle(&self) -> usize {
        self.idle_for(0)
    }
}

/// A kind out of ten, mostly the one that everybody knows.
fn some_kind(drawn: u8) -> u8 {
    drawn.saturating_sub(10 - KINDS)
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..10u8, 0..64u8, 0..64u8).prop_map(|(kind, exclusive, shared)| {
            Event::Submit { kind: some_kind(kind), exclusive: exclusive & exclusive.rotate_left(1), shared }
        }),
        1 => any::<u8>().prop_map(Event::Repeat),
        8 => any::<u8>().prop_map(Event::Finish),
        1 => any::<u8>().prop_map(Event::Cancel),
        3 => any::<u8>().prop_map(Event::Up),
        1 => any::<u8>().prop_map(Event::Down),
        2 => any::<u8>().prop_map(Event::Slow),
        1 => any::<u8>().prop_map(Event::Return),
        1 => any::<(u8, u8)>().prop_map(|(task, by)| Event::Claim(task, by)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_agrees_with_the_model(events in prop::collection::vec(event(), 0..300)) {
        let mut model = Model::new();
        for event in events {
            model.happen(event);
            model.settle();
        }
    }
}

#[test]
fn a_million_events_agree_with_the_model() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut model = Model::new();
    for step in 0..1_000_000u32 {
        let number = random.random();
        let event = match random.random_range(0..26) {
            0..9 => {
                let (one, other): (u8, u8) = (random.random(), random.random());
                let kind = some_kind(random.random_range(0..10));
                Event::Submit {
                    kind,
                    exclusive: one & other & 63,
                    shared: random.random_range(0..64) & other,
                }
            }
            9..17 => Event::Finish(number),
            17 => Event::Repeat(number),
            18 => Event::Cancel(number),
            19..22 => Event::Up(number),
            22 => Event::Down(number),
            23 => Event::Slow(number),
            24 => Event::Return(number),
            _ => Event::Claim(number, random.random()),
        };
        model.happen(event);
        // Often several things happen before anything is assigned.
        if step % 4 == 0 {
            model.settle();
        }
    }
}

#[test]
fn a_reserved_task_is_called_back_when_somebody_is_idle_or_the_current_one_is_slow() {
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut scheduler = Scheduler::new();
    scheduler.worker_up(worker(0), &skills(0));
    scheduler.submit(first, Kind(0), [], []);
    scheduler.submit(second, Kind(0), [], []);
    assert_eq!(
        scheduler.assignments(),
        [
            Assignment::Run { task: first, worker: worker(0) },
            Assignment::Reserve { task: second, worker: worker(0) }
        ]
    );
    scheduler.worker_up(worker(1), &skills(1));
    assert_eq!(scheduler.assignments(), [Assignment::TakeBack { task: second, worker: worker(0) }]);
    assert_eq!(scheduler.assignments(), [], "it is asked for once");
    scheduler.returned(second);
    assert_eq!(scheduler.assignments(), [Assignment::Run { task: second, worker: worker(1) }]);

    let third = Uuid::from_u128(3);
    scheduler.submit(third, Kind(0), [], []);
    let Some(Assignment::Reserve { worker: holder, .. }) = scheduler.assignments().pop() else { panic!() };
    scheduler.slow(holder);
    assert_eq!(scheduler.assignments(), [Assignment::TakeBack { task: third, worker: holder }]);
}

#[test]
fn a_task_that_nobody_knows_holds_no_worker_and_waits_for_one_that_does() {
    let (strange, plain) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut scheduler = Scheduler::new();
    scheduler.worker_up(worker(0), &skills(0));
    scheduler.submit(strange, Kind(1), [], []);
    scheduler.submit(plain, Kind(0), [], []);
    assert_eq!(scheduler.assignments(), [Assignment::Run { task: plain, worker: worker(0) }]);
    let unplaceable =
        |scheduler: &Scheduler| scheduler.unplaceable().map(|(kind, _)| kind).collect::<Vec<_>>();
    assert_eq!(unplaceable(&scheduler), [Kind(1)]);
    scheduler.worker_up(worker(1), &skills(1));
    assert_eq!(unplaceable(&scheduler), []);
    assert_eq!(scheduler.assignments(), [Assignment::Run { task: strange, worker: worker(1) }]);
}

#[test]
fn workers_that_have_said_something_are_chosen_before_those_that_have_only_come() {
    let mut scheduler = Scheduler::new();
    let skills = Skills::new([Kind(0)].into());
    let [first, second, comer] = [1, 2, 3].map(worker);
    for id in [first, second] {
        scheduler.worker_up(id, &skills);
        scheduler.heard(id);
    }
    scheduler.worker_up(comer, &skills);
    scheduler.heard(first);
    let chosen = |scheduler: &mut Scheduler, task: u128| {
        scheduler.submit(Uuid::from_u128(task), Kind(0), [], []);
        let [Assignment::Run { worker, .. }] = scheduler.assignments()[..] else { panic!("not placed") };
        worker
    };
    assert_eq!(chosen(&mut scheduler, 1), first, "it was heard of last");
    assert_eq!(chosen(&mut scheduler, 2), second, "it is proven");
    assert_eq!(chosen(&mut scheduler, 3), comer, "it is better than none");
}
