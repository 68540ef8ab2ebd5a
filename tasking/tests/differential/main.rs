//! The queue in rows against the scheduler: whatever happens, the SQL lets the same tasks run as the pure
//! value does.
//!
//! `SEED` repeats a run; `CASES` says how many histories are tried.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

mod history;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use entities::db;
use history::{Draft, Event, KINDS, event};
use proptest::collection::vec;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, FromQueryResult};
use support::servers::Servers;
use tasking::scheduler::{Kind, Scheduler, Skills};
use uuid::Uuid;

const RESOURCES: u8 = 4;
const WORKERS: usize = 4;
/// Unfinished tasks at most.
const CROWD: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// With which worker, and by which claim.
    Running(Uuid, Uuid),
    Canceling(Uuid, Uuid),
}

/// A place in the queue, as the rows say.
#[derive(Debug, FromQueryResult)]
struct Place {
    task_id: Uuid,
    position: i64,
    /// Whether all that the task needs is granted.
    granted: bool,
    /// Its number among the tasks that a claim finds.
    number: Option<i64>,
    seq: i64,
    kind: String,
}

const PLACES: &str = "
SELECT task_id, position, ungranted = 0 AS granted, seq, place.name AS kind,
       (SELECT number FROM task_ready AS ready
        WHERE ready.task_id = place.task_id AND number > (SELECT last_number('task_ready_floor'))) AS number
FROM task_admitted AS place JOIN task ON pulp_id = task_id ORDER BY position";

const SUBMIT: &str = "
WITH accepted AS (
    INSERT INTO task (pulp_id, pulp_domain_id, name, exclusive_resources, shared_resources)
    SELECT $1, pulp_id, $2, $3, $4 FROM domain RETURNING pulp_id)
INSERT INTO task_change (task_id) SELECT pulp_id FROM accepted";

const CANCEL: &str = "
WITH changed AS (
    UPDATE task SET state = CASE state WHEN 'waiting' THEN 'canceled'::task_state ELSE 'canceling' END,
                    finished_at = CASE state WHEN 'waiting' THEN clock_timestamp() END
    WHERE pulp_id = $1 AND state IN ('waiting', 'running') RETURNING pulp_id, state)
INSERT INTO task_change (task_id) SELECT pulp_id FROM changed WHERE state = 'canceled'";

fn names(mask: u8) -> Vec<String> {
    (0..RESOURCES).filter(|bit| mask >> bit & 1 == 1).map(|bit| format!("resource-{bit}")).collect()
}

fn name(kind: u8) -> String {
    format!("test.{kind}")
}

/// What a worker knows: two pairs know different things.
fn known_by(worker: usize) -> Vec<String> {
    (0..KINDS - 1).filter(|kind| *kind == 0 || usize::from(*kind) % 2 == worker % 2).map(name).collect()
}

/// The tasks, the workers, and both that are compared.
struct Pair<'a> {
    db: &'a DatabaseConnection,
    scheduler: Scheduler,
    /// Unfinished tasks that are committed. The scheduler knows those that the queue has admitted.
    tasks: BTreeMap<Uuid, (Draft, State)>,
    /// The highest position that was admitted.
    admitted: i64,
    /// One of each kind; none if it is gone.
    workers: [Option<Uuid>; WORKERS],
    slow: Option<(Uuid, Draft, DatabaseTransaction)>,
    /// Whether nothing has happened since all notices were read.
    settled: bool,
    claims: usize,
}

impl<'a> Pair<'a> {
    async fn new(db: &'a DatabaseConnection) -> anyhow::Result<Pair<'a>> {
        let tables = "TRUNCATE process, task, task_change, task_admitted, task_lock, task_ready CASCADE";
        db.execute_unprepared(tables).await?;
        let (scheduler, tasks) = (Scheduler::new(), BTreeMap::new());
        let workers = [None; WORKERS];
        Ok(Pair { db, scheduler, tasks, admitted: 0, workers, slow: None, settled: false, claims: 0 })
    }

    async fn run(&self, sql: &str, id: Uuid) -> anyhow::Result<()> {
        self.db.execute_raw(db::sql(sql, [id.into()])).await.map(drop).with_context(|| sql.to_owned())
    }

    /// The number-th unfinished task that is in one of these states.
    fn pick(&self, number: u8, which: impl Fn(&State) -> bool) -> Option<Uuid> {
        let fitting: Vec<Uuid> =
            self.tasks.iter().filter(|(_, (_, state))| which(state)).map(|(id, _)| *id).collect();
        (!fitting.is_empty()).then(|| fitting[usize::from(number) % fitting.len()])
    }

    async fn happen(&mut self, event: Event) -> anyhow::Result<()> {
        if !matches!(event, Event::Claim(_) | Event::Up(_)) {
            self.settled = false;
        }
        match event {
            Event::Submit(draft) if self.tasks.len() < CROWD => {
                let id = Uuid::now_v7();
                submit(self.db, id, draft).await?;
                self.tasks.insert(id, (draft, State::Waiting));
            }
            Event::SubmitSlowly(draft) if self.slow.is_none() => {
                let (id, txn) = (Uuid::now_v7(), db::begin(self.db).await?);
                submit(&txn, id, draft).await?;
                self.slow = Some((id, draft, txn));
            }
            Event::Commit => {
                let Some((id, draft, txn)) = self.slow.take() else { return Ok(()) };
                txn.commit().await?;
                self.tasks.insert(id, (draft, State::Waiting));
                self.db.execute_unprepared("SELECT find_late_changes()").await?;
            }
            Event::Cancel(number) => {
                let Some(id) = self.pick(number, |state| !matches!(state, State::Canceling(..))) else {
                    return Ok(());
                };
                self.run(CANCEL, id).await?;
                match self.tasks[&id] {
                    (draft, State::Running(worker, token)) => {
                        self.tasks.insert(id, (draft, State::Canceling(worker, token)));
                    }
                    _ => {
                        self.tasks.remove(&id);
                        self.scheduler.canceled(id);
                    }
                }
            }
            Event::Up(number) => self.up(usize::from(number) % WORKERS).await?,
            Event::Claim(number) => self.claim(usize::from(number) % WORKERS).await?,
            Event::Finish { task, claims } => self.finish(task, claims).await?,
            Event::GiveUp(number) | Event::Vanish(number) => {
                let Some(worker) = self.workers[usize::from(number) % WORKERS].take() else { return Ok(()) };
                if matches!(event, Event::GiveUp(_)) {
                    self.run("SELECT record_ended(declare_missing($1, 0, NULL))", worker).await?;
                } else {
                    self.run("UPDATE process SET gone_at = now() WHERE pulp_id = $1", worker).await?;
                    self.db.execute_unprepared("SELECT record_ended(end_orphaned(NULL))").await?;
                }
                let its = |(_, (_, state)): &(&Uuid, &(Draft, State))| match state {
                    State::Running(by, _) | State::Canceling(by, _) => *by == worker,
                    State::Waiting => false,
                };
                let ended: Vec<Uuid> = self.tasks.iter().filter(its).map(|(id, _)| *id).collect();
                for id in ended {
                    self.tasks.remove(&id);
                    self.scheduler.finished(id);
                }
                self.scheduler.worker_down(worker);
            }
            Event::FailUnknown => {
                let sql = format!("SELECT unnest(fail_unclaimable('{{{}}}')) AS id", name(KINDS - 1));
                for row in self.db.query_all_raw(db::sql(&sql, [])).await? {
                    let id = row.try_get("", "id")?;
                    self.tasks.remove(&id).context("a task failed that has ended")?;
                    self.scheduler.finished(id);
                }
            }
            Event::LoseNotices => {
                self.db.execute_unprepared("DELETE FROM task_change").await?;
                self.db.execute_unprepared("SELECT find_missed_changes()").await?;
            }
            Event::MoveOn(limit) => self.move_on(limit).await?,
            Event::Submit(_) | Event::SubmitSlowly(_) => {}
        }
        Ok(())
    }

    async fn up(&mut self, index: usize) -> anyhow::Result<()> {
        if self.workers[index].is_some() {
            return Ok(());
        }
        let worker = Uuid::now_v7();
        let sql = "INSERT INTO process (pulp_id, kind, name, style) VALUES ($1, 'worker', $2, 'postgres')";
        self.db.execute_raw(db::sql(sql, [worker.into(), worker.to_string().into()])).await?;
        // One that is sent nothing: the queue decides who takes what, and the scheduler lists what could be
        // taken.
        self.scheduler.worker_up(worker, &Skills::new(BTreeSet::new()));
        self.workers[index] = Some(worker);
        Ok(())
    }

    /// What the scheduler lets run and no worker has.
    fn runnable(&self) -> BTreeSet<Uuid> {
        self.scheduler.unplaceable().flat_map(|(_, tasks)| tasks).collect()
    }

    async fn places(&self) -> anyhow::Result<Vec<Place>> {
        Ok(Place::find_by_statement(db::sql(PLACES, [])).all(self.db).await?)
    }

    /// What a claim of these names has to find: the task that has been ready for longest.
    async fn next(&self, names: &[String]) -> anyhow::Result<Option<Uuid>> {
        let places = self.places().await?;
        let waiting = |place: &&Place| {
            names.contains(&place.kind) && matches!(self.tasks.get(&place.task_id), Some((_, State::Waiting)))
        };
        let ready = places.iter().filter(waiting).filter_map(|place| Some((place.number?, place.task_id)));
        Ok(ready.min().map(|(_, id)| id))
    }

    async fn claim(&mut self, index: usize) -> anyhow::Result<()> {
        let (Some(worker), token) = (self.workers[index], Uuid::new_v4()) else { return Ok(()) };
        if self.scheduler.current(worker).is_some() {
            return Ok(());
        }
        let names = known_by(index);
        let next = self.next(&names).await?;
        let sql = "SELECT claimed, refusal, task_id FROM claim_ready($1, $2, $3, true)";
        let values = [worker.into(), token.into(), names.clone().into()];
        let row = self.db.query_one_raw(db::sql(sql, values)).await?.context("no row")?;
        let refusal: Option<String> = row.try_get("", "refusal")?;
        self.claimed(worker, token, next, row.try_get("", "claimed")?, row.try_get("", "task_id")?, refusal)?;
        if self.settled && next.is_none() {
            let knows = |id: &Uuid| names.contains(&name(self.tasks[id].0.kind));
            ensure!(!self.runnable().iter().any(knows), "a worker stays idle, and a task could run");
        }
        Ok(())
    }

    fn claimed(
        &mut self,
        worker: Uuid,
        token: Uuid,
        next: Option<Uuid>,
        claimed: bool,
        task: Option<Uuid>,
        refusal: Option<String>,
    ) -> anyhow::Result<()> {
        ensure!(claimed == next.is_some(), "claimed {task:?} ({refusal:?}) where {next:?} is due");
        let Some(id) = next else {
            ensure!(refusal.as_deref() == Some("idle"), "refused because of {refusal:?}");
            return Ok(());
        };
        ensure!(task == next, "claimed {task:?} where {next:?} is due");
        ensure!(self.runnable().contains(&id), "claimed {id}, which the scheduler does not let run");
        self.scheduler.claimed(id, worker);
        self.tasks.get_mut(&id).context("claimed a task that has ended")?.1 = State::Running(worker, token);
        self.claims += 1;
        Ok(())
    }

    async fn finish(&mut self, number: u8, claims: bool) -> anyhow::Result<()> {
        let Some(id) = self.pick(number, |state| *state != State::Waiting) else { return Ok(()) };
        let (_, State::Running(worker, token) | State::Canceling(worker, token)) = self.tasks[&id] else {
            return Ok(());
        };
        let index = self.workers.iter().position(|by| *by == Some(worker)).context("who runs it?")?;
        let names = known_by(index);
        let next_token = claims.then(Uuid::new_v4);
        let next = if claims { self.next(&names).await? } else { None };
        let sql = "SELECT final, claimed, refusal, task_id
                   FROM finish_and_claim($1, $2, $3, 'completed', NULL, $4, $5)";
        let values = [id.into(), worker.into(), token.into(), next_token.into(), names.into()];
        let row = self.db.query_one_raw(db::sql(sql, values)).await?.context("no row")?;
        ensure!(row.try_get::<Option<String>>("", "final")?.is_some(), "{id} does not end");
        self.tasks.remove(&id);
        self.scheduler.finished(id);
        if let Some(token) = next_token {
            let refusal = row.try_get("", "refusal")?;
            let (claimed, task) = (row.try_get("", "claimed")?, row.try_get("", "task_id")?);
            self.claimed(worker, token, next, claimed, task, refusal)?;
        }
        Ok(())
    }

    /// Lets the queue read notices, tells the scheduler what that has admitted, and compares.
    async fn move_on(&mut self, limit: i32) -> anyhow::Result<()> {
        let sql = "SELECT more FROM advance_queue($1, 0)";
        let row = self.db.query_one_raw(db::sql(sql, [limit.into()])).await?.context("no row")?;
        let more: bool = row.try_get("", "more")?;
        let places = self.places().await?;
        let arrived: Vec<&Place> = places.iter().filter(|place| place.position > self.admitted).collect();
        ensure!(arrived.is_sorted_by_key(|place| place.seq), "not admitted in the order of dispatch");
        for place in &arrived {
            let (draft, _) = self.tasks.get(&place.task_id).context("admitted what has ended")?;
            let (exclusive, shared) = (names(draft.exclusive), names(draft.shared));
            let (exclusive, shared) = (exclusive.iter(), shared.iter());
            let kind = Kind(draft.kind.into());
            self.scheduler.submit(
                place.task_id,
                kind,
                exclusive.map(String::as_str),
                shared.map(String::as_str),
            );
            self.admitted = place.position;
        }
        let runnable = self.runnable();
        let waits = |id: &Uuid| matches!(self.tasks.get(id), Some((_, State::Waiting)));
        let waiting: Vec<&Place> = places.iter().filter(|place| waits(&place.task_id)).collect();
        let granted: BTreeSet<Uuid> =
            waiting.iter().filter(|place| place.granted).map(|place| place.task_id).collect();
        let found: BTreeSet<Uuid> =
            waiting.iter().filter(|place| place.number.is_some()).map(|place| place.task_id).collect();
        ensure!(granted == found, "granted {granted:?}, and claims find {found:?}");
        if more {
            let early: Vec<&Uuid> = granted.difference(&runnable).collect();
            ensure!(early.is_empty(), "{early:?} may run, which the scheduler does not let run");
            return Ok(());
        }
        ensure!(granted == runnable, "the queue lets run {granted:?}, the scheduler {runnable:?}");
        let placed: BTreeSet<Uuid> = places.iter().map(|place| place.task_id).collect();
        let unfinished: BTreeSet<Uuid> = self.tasks.keys().copied().collect();
        ensure!(placed == unfinished, "places of {placed:?}, unfinished are {unfinished:?}");
        self.settled = true;
        Ok(())
    }
}

async fn submit(db: &impl ConnectionTrait, id: Uuid, draft: Draft) -> anyhow::Result<()> {
    let (exclusive, shared) = (names(draft.exclusive), names(draft.shared));
    let values = [id.into(), name(draft.kind).into(), exclusive.into(), shared.into()];
    db.execute_raw(db::sql(SUBMIT, values)).await?;
    Ok(())
}

/// Both through one history, to its end. Returns how many claims there were.
async fn agree(db: &DatabaseConnection, events: &[Event]) -> anyhow::Result<usize> {
    let mut pair = Pair::new(db).await?;
    for (step, event) in events.iter().enumerate() {
        pair.happen(*event).await.with_context(|| format!("step {step}, {event:?}"))?;
    }
    for event in [Event::Commit, Event::MoveOn(1000), Event::Up(0), Event::Claim(0)] {
        pair.happen(event).await.with_context(|| format!("at the end, {event:?}"))?;
    }
    Ok(pair.claims)
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn the_queue_in_rows_lets_run_what_the_scheduler_lets_run() {
    let seed = from_environment("SEED").unwrap_or_else(rand::random);
    let cases = from_environment("CASES").unwrap_or(16);
    println!("SEED={seed} CASES={cases}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let servers = runtime.block_on(Servers::start());
    let db = runtime.block_on(db::connect(&servers.settings(), "test")).unwrap();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: cases.try_into().unwrap(),
        failure_persistence: None,
        max_shrink_time: 40_000,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let claims = std::cell::Cell::new(0);
    let run = TestRunner::new_with_rng(config, random).run(&vec(event(), 0..300), |events| {
        let agreed = runtime.block_on(agree(&db, &events));
        let made = agreed.map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
        claims.set(claims.get() + made);
        Ok(())
    });
    println!("{} claims", claims.get());
    if let Err(error) = run {
        panic!("SEED={seed}: {error}");
    }
    assert!(claims.get() > usize::try_from(cases).unwrap(), "hardly anything was claimed");
}
