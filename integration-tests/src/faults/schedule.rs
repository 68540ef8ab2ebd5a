//! The faults: which, when and to whom, from a seed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use rustix::process::Signal;
use sqlx::{Connection, PgConnection};

use super::postgres_proxy::{Strike, Trap};
use super::system::{LEASE, System};
use super::{Style, redis, servers};

/// Statements whose commit, or whose effect, is worth a strike.
const COMMITS: [&str; 7] = [
    "COMMIT",
    "take_task",
    "finish_task",
    "become_leader",
    "declare_missing",
    "INSERT INTO task",
    "UPDATE task SET",
];

/// The same without Redis.
const COMMITS_OF_ROWS: [&str; 11] = [
    "COMMIT",
    "claim_ready",
    "finish_and_claim",
    "advance_queue",
    "wake_idle",
    "poll_queue",
    "become_idle",
    "stay_idle",
    "declare_missing",
    "INSERT INTO task",
    "UPDATE task SET",
];

/// What comes between the steps of a file's creation (lock, look, move, row, tombstone, commit) and deletion
/// (lock, tombstone, delete, commit).
const FILES: [&str; 4] = ["pg_advisory_xact_lock", "artifact", "artifact_tombstone", "COMMIT"];

/// The kinds of faults, each with its weight.
const KINDS: [(&str, u32); 26] = [
    ("kill worker", 3),
    ("kill leader", 3),
    ("kill api", 1),
    ("stop worker for a moment", 2),
    ("stop worker beyond its time to live", 2),
    ("stop leader beyond its lease", 3),
    ("stop api beyond its time to live", 1),
    ("stop between the steps of a file", 4),
    ("flush redis", 2),
    ("delete the lease", 2),
    ("restart redis", 2),
    ("cut redis", 3),
    ("stall redis", 2),
    ("restart postgres, fast", 1),
    ("restart postgres, immediate", 1),
    ("cut postgres", 2),
    ("cut before a commit", 4),
    ("cut after a commit", 4),
    ("stall postgres", 2),
    ("refuse writes of postgres", 1),
    ("kill everything", 1),
    ("kill one worker again and again", 1),
    ("damage a file", 3),
    ("cut the power of the store", 1),
    ("freeze the store", 2),
    ("lengthen the lease of a dying leader", 1),
];

/// Those that are there only without Redis.
const KINDS_OF_ROWS: [(&str, u32); 2] = [("cut the listeners", 3), ("lose wake-ups", 3)];

/// What ends a fault that lasts.
#[derive(Debug)]
enum Undo {
    Continue(u32),
    Redis(usize),
    Postgres(usize),
    StartRedis,
    StartPostgres,
    AllowWrites,
    Thaw,
}

/// A worker that is killed a moment after each of its starts.
#[derive(Debug)]
struct Crashing {
    slot: usize,
    until: Instant,
    /// The process that runs, and since when.
    seen: Option<(u32, Instant)>,
}

/// How long it lives.
const LIFE: Duration = Duration::from_millis(600);

/// Does faults.
#[derive(Debug)]
pub struct Schedule {
    random: StdRng,
    kinds: Vec<(&'static str, u32)>,
    lease: Duration,
    ttl: Duration,
    next: Instant,
    undo: Vec<(Instant, Undo)>,
    crashing: Option<Crashing>,
    /// How many of each kind were done.
    pub done: BTreeMap<&'static str, u64>,
}

impl Schedule {
    /// For an installation with this lease and this time to live of its processes.
    pub fn new(random: StdRng, style: Style, lease: Duration, ttl: Duration) -> Schedule {
        let mut kinds = KINDS.to_vec();
        if style == Style::Postgres {
            kinds.retain(|(kind, _)| !kind.contains("redis") && !kind.contains("lea"));
            kinds.extend(KINDS_OF_ROWS);
        }
        let (undo, crashing, done) = (Vec::new(), None, BTreeMap::new());
        Schedule { random, kinds, lease, ttl, next: Instant::now(), undo, crashing, done }
    }

    /// Does what is due; to be called again and again.
    pub async fn step(&mut self, system: &mut System) {
        self.end(system, false).await;
        self.crash(system);
        if self.next <= Instant::now() {
            let kind = self.draw();
            if self.strike(system, kind).await {
                *self.done.entry(kind).or_default() += 1;
            }
            self.next = Instant::now() + self.between(50, 1500);
        }
    }

    /// Ends every fault that lasts.
    pub async fn finish(&mut self, system: &mut System) {
        for slot in &system.slots {
            slot.traps.clear();
        }
        self.crashing = None;
        while !self.undo.is_empty() {
            self.end(system, true).await;
        }
        for slot in &system.slots {
            slot.signal(Signal::CONT);
        }
    }

    async fn end(&mut self, system: &mut System, all: bool) {
        let now = Instant::now();
        let (due, later) =
            std::mem::take(&mut self.undo).into_iter().partition(|(when, _)| all || *when <= now);
        self.undo = later;
        let due: Vec<(Instant, Undo)> = due;
        // Postgres may be down when it is to take writes again.
        let mut writes = Vec::new();
        for (_, undo) in due {
            match undo {
                Undo::Continue(pid) => {
                    if let Some(slot) = system.slots.iter().find(|slot| slot.pid() == Some(pid)) {
                        slot.signal(Signal::CONT);
                    }
                }
                Undo::Redis(slot) => system.slots[slot].redis.stall(false),
                Undo::Postgres(slot) => system.slots[slot].postgres.stall(false),
                Undo::StartRedis => system.servers.start_redis().await,
                Undo::StartPostgres => system.servers.start_postgres().await,
                Undo::AllowWrites => {
                    if refuse_writes(system, false).await.is_err() {
                        writes.push((now + LIFE, Undo::AllowWrites));
                    }
                }
                Undo::Thaw => system.store.freeze(false),
            }
        }
        self.undo.extend(writes);
    }

    /// Kills the worker that is not to live.
    fn crash(&mut self, system: &System) {
        let Some(crashing) = &mut self.crashing else { return };
        let Some(pid) = system.slots[crashing.slot].pid() else { return };
        match crashing.seen {
            Some((seen, since)) if seen == pid => {
                if since.elapsed() > LIFE {
                    system.slots[crashing.slot].signal(Signal::KILL);
                }
            }
            _ => crashing.seen = Some((pid, Instant::now())),
        }
        if crashing.until <= Instant::now() {
            self.crashing = None;
        }
    }

    fn draw(&mut self) -> &'static str {
        let total = self.kinds.iter().map(|(_, weight)| weight).sum();
        let mut left = self.random.random_range(0..total);
        for &(kind, weight) in &self.kinds {
            if left < weight {
                return kind;
            }
            left -= weight;
        }
        KINDS[0].0
    }

    fn between(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.random.random_range(from..to))
    }

    /// Any slot whose name begins so.
    fn any(&mut self, system: &System, role: &str) -> usize {
        let fits = |(_, slot): &(usize, &super::system::Slot)| slot.name.starts_with(role);
        let slots: Vec<usize> =
            system.slots.iter().enumerate().filter(fits).map(|(index, _)| index).collect();
        slots[self.random.random_range(0..slots.len())]
    }

    /// One fault; false if it cannot be done now.
    async fn strike(&mut self, system: &mut System, kind: &'static str) -> bool {
        let leader = match kind.contains("leader") {
            true => match system.leader().await {
                Some(name) => system.slots.iter().position(|slot| slot.name == name),
                None => None,
            },
            false => None,
        };
        let slot = match kind {
            _ if kind.contains("leader") => match leader {
                Some(leader) => leader,
                None => return false,
            },
            _ if kind.contains("worker") => self.any(system, "worker"),
            _ if kind.contains(" api") => self.any(system, "api"),
            _ => self.any(system, ""),
        };
        let now = Instant::now();
        let beyond = |limit: Duration, extra: Duration| now + limit + extra;
        let extra = self.between(50, 2500);
        match kind {
            "kill worker" | "kill leader" | "kill api" => system.slots[slot].signal(Signal::KILL),
            "stop worker for a moment" => return self.stop(system, slot, now + extra / 4),
            "stop worker beyond its time to live" | "stop api beyond its time to live" => {
                return self.stop(system, slot, beyond(self.ttl, extra));
            }
            "stop leader beyond its lease" => return self.stop(system, slot, beyond(self.lease, extra)),
            "stop between the steps of a file" => {
                let slot = if self.random.random_bool(0.5) {
                    self.any(system, "worker")
                } else {
                    self.any(system, "api")
                };
                let Some(pid) = system.slots[slot].pid() else { return false };
                let statement = self.random.random_range(0..FILES.len());
                let statements = &FILES[statement..=statement];
                let long = if self.random.random_bool(0.3) { self.ttl + extra } else { extra / 4 };
                system.slots[slot].traps.set(Trap { statements, strike: Strike::Stop(pid, long) });
            }
            "flush redis" => {
                return redis::command(&system.servers.redis_socket(), &["FLUSHALL"]).await.is_ok();
            }
            "delete the lease" => {
                return redis::command(&system.servers.redis_socket(), &["DEL", LEASE]).await.is_ok();
            }
            "restart redis" => {
                if self.pending(|undo| matches!(undo, Undo::StartRedis)) {
                    return false;
                }
                system.servers.kill_redis();
                system.monitor.note_loss();
                self.undo.push((now + extra / 2, Undo::StartRedis));
            }
            "cut redis" => self.some(system, |slot| slot.redis.cut()),
            "stall redis" => {
                system.slots[slot].redis.stall(true);
                self.undo.push((now + extra * 2, Undo::Redis(slot)));
            }
            "restart postgres, fast" | "restart postgres, immediate" => {
                if self.pending(|undo| matches!(undo, Undo::StartPostgres)) {
                    return false;
                }
                system.servers.stop_postgres(kind.ends_with("fast")).await;
                self.undo.push((Instant::now() + extra / 2, Undo::StartPostgres));
            }
            "cut postgres" => self.some(system, |slot| slot.postgres.cut()),
            "cut before a commit" | "cut after a commit" => {
                let strike = if kind.contains("before") { Strike::CutBefore } else { Strike::CutAfter };
                let commits: &'static [&'static str] = match system.style {
                    Style::Redis => &COMMITS,
                    Style::Postgres => &COMMITS_OF_ROWS,
                };
                let statement = self.random.random_range(0..commits.len());
                system.slots[slot].traps.set(Trap { statements: &commits[statement..=statement], strike });
            }
            "cut the listeners" => {
                let sql =
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^(UN)?LISTEN'";
                return ask(system, sql).await.is_ok();
            }
            "lose wake-ups" => return ask(system, "DELETE FROM idle_worker").await.is_ok(),
            "stall postgres" => {
                system.slots[slot].postgres.stall(true);
                self.undo.push((now + extra * 2, Undo::Postgres(slot)));
            }
            "refuse writes of postgres" => {
                if refuse_writes(system, true).await.is_err() {
                    return false;
                }
                self.undo.push((now + extra * 2, Undo::AllowWrites));
            }
            "kill everything" => system.slots.iter().for_each(|slot| slot.signal(Signal::KILL)),
            "kill one worker again and again" => {
                if self.crashing.is_some() {
                    return false;
                }
                let slot = self.any(system, "worker");
                self.crashing = Some(Crashing { slot, until: now + extra * 4, seen: None });
            }
            "damage a file" => return system.store.damage(&mut self.random),
            "cut the power of the store" => {
                for slot in &mut system.slots {
                    slot.signal(Signal::KILL);
                    while slot.process.as_mut().is_some_and(|process| process.status().is_none()) {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
                system.store.cut_power(&mut self.random);
            }
            "freeze the store" => {
                system.store.freeze(true);
                self.undo.push((now + extra * 2, Undo::Thaw));
            }
            "lengthen the lease of a dying leader" => {
                let longer = ["PEXPIRE", LEASE, "3600000"];
                if redis::command(&system.servers.redis_socket(), &longer).await.is_err() {
                    return false;
                }
                system.slots[slot].signal(Signal::KILL);
            }
            _ => return false,
        }
        true
    }

    fn pending(&self, fits: impl Fn(&Undo) -> bool) -> bool {
        self.undo.iter().any(|(_, undo)| fits(undo))
    }

    fn stop(&mut self, system: &System, slot: usize, until: Instant) -> bool {
        let Some(pid) = system.slots[slot].pid() else { return false };
        system.slots[slot].signal(Signal::STOP);
        self.undo.push((until, Undo::Continue(pid)));
        true
    }

    /// Does something to one process, or to all.
    fn some(&mut self, system: &System, cut: impl Fn(&super::system::Slot)) {
        if self.random.random_bool(0.3) {
            system.slots.iter().for_each(cut);
        } else {
            cut(&system.slots[self.any(system, "")]);
        }
    }
}

/// Makes Postgres refuse all writes, or take them again.
async fn refuse_writes(system: &System, refused: bool) -> sqlx::Result<()> {
    let setting = match refused {
        true => "ALTER SYSTEM SET default_transaction_read_only = on",
        false => "ALTER SYSTEM RESET default_transaction_read_only",
    };
    ask(system, setting).await?;
    ask(system, "SELECT pg_reload_conf()").await
}

/// Asks the database, if it is there.
async fn ask(system: &System, sql: &'static str) -> sqlx::Result<()> {
    let mut database = PgConnection::connect(&servers::url(&system.servers.sockets())).await?;
    sqlx::raw_sql(sql).execute(&mut database).await?;
    database.close().await
}
