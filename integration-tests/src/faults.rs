//! The fault test: real processes on real servers, a random mix of tasks, random faults, and a checker of
//! what was recorded.
//!
//! What is random follows from a seed, which the run prints. What the processes make of it does not: a seed
//! repeats the faults, not the moments in which they strike.

pub mod checker;
pub mod files;
pub mod history;
pub mod leftovers;
pub mod monitor;
pub mod postgres_proxy;
pub mod proxy;
pub mod recorder;
pub mod redis;
pub mod report;
pub mod schedule;
pub mod servers;
pub mod stage;
pub mod store;
pub mod system;
mod wire;
pub mod workload;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use sqlx::{Connection, PgConnection};

use crate::tasks::now;
use report::Report;
use schedule::Schedule;
use system::{Setup, System};
use workload::Workload;

/// Seconds that the leader's lease runs in the test.
const LEASE: Duration = Duration::from_millis(1500);

/// Seconds after which a silent process is given up in the test.
const TTL: Duration = Duration::from_secs(3);

/// How long after the last fault everything has to be final.
const BOUND: Duration = Duration::from_secs(90);

/// How long a process may take to stop in order.
const STOPPING: Duration = Duration::from_secs(15);

/// Unfinished tasks at which nothing more is asked for.
const BACKLOG: i64 = 120;

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// A style of tasking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Style {
    /// Over Redis, with resource managers.
    #[default]
    Redis,
    /// In rows, with workers alone.
    Postgres,
}

impl Style {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Style::Redis => "redis",
            Style::Postgres => "postgres",
        }
    }
}

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The style of tasking.
    pub style: Style,
    /// What is random follows from it.
    pub seed: u64,
    /// How long faults are done.
    pub duration: Duration,
}

/// The settings of the test: everything that takes long in production is short.
pub fn settings() -> BTreeMap<String, String> {
    [
        ("PULP_RESOURCE_MANAGER_LEASE", LEASE.as_secs_f64().to_string()),
        ("PULP_WORKER_TTL", TTL.as_secs_f64().to_string()),
        ("PULP_API_APP_TTL", TTL.as_secs_f64().to_string()),
        ("PULP_TASK_CANCEL_INTERVAL", "2".to_owned()),
        ("PULP_TASK_GRACE_INTERVAL", "3".to_owned()),
        ("PULP_LOG_LEVEL", std::env::var("FAULT_TEST_LOG").unwrap_or_else(|_| "info".to_owned())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// Runs the test once.
pub async fn run(options: Options) -> Report {
    let style = options.style;
    eprintln!(
        "fault test: style {}, seed {}, {:?} of faults",
        style.as_str(),
        options.seed,
        options.duration
    );
    let began = Instant::now();
    let managers = match style {
        Style::Redis => vec!["wait", "exit"],
        Style::Postgres => Vec::new(),
    };
    let setup = Setup { style, workers: 3, managers, api: true, environment: settings(), schema: Vec::new() };
    let mut system = System::start(setup).await;
    let workload = Workload::open(&mut system).await;
    let asking: Vec<_> = [(1, false), (2, false), (3, true), (4, true)]
        .into_iter()
        .map(|(number, rest)| {
            tokio::spawn(workload.clone().run(options.seed.wrapping_mul(31) + number, rest))
        })
        .collect();
    let mut schedule = Schedule::new(StdRng::seed_from_u64(options.seed), style, LEASE, TTL);
    let mut watch = Watch::default();
    let until = Instant::now() + options.duration;
    while Instant::now() < until {
        schedule.step(&mut system).await;
        system.supervise();
        watch.look(&system, &workload).await;
        tokio::time::sleep(LOOK).await;
    }
    workload.stop();
    schedule.finish(&mut system).await;
    for asking in asking {
        asking.await.unwrap();
    }
    let settled = now();
    let deadline = Instant::now() + BOUND;
    let mut database = system.servers.database().await;
    while unfinished(&mut database).await.unwrap_or(1) > 0 && Instant::now() < deadline {
        system.supervise();
        tokio::time::sleep(LOOK * 5).await;
    }
    // The store is made whole by those who have the bytes, while everything runs.
    workload.upload_everything(&mut system).await;
    while unfinished(&mut database).await.unwrap_or(1) > 0 && Instant::now() < deadline {
        system.supervise();
        tokio::time::sleep(LOOK * 5).await;
    }
    let late = system.stop(STOPPING).await;
    let mut history = recorder::read(&mut database).await;
    history.found = watch.found;
    history.found.extend(
        late.into_iter().map(|name| ("left over", format!("{name} did not stop when it was asked to"))),
    );
    history.found.extend(leftovers::find(&system).await.into_iter().map(|one| ("left over", one)));
    let (wrong, unknown_files) = files::at_the_end(&mut database, &system.media()).await;
    history.found.extend(wrong.into_iter().map(|one| ("files", one)));
    history.redis = system.monitor.seen();
    history.settled = settled;
    history.bound = i64::try_from(BOUND.as_micros()).unwrap();
    workload.accepted.complete(&mut history);
    let violations = checker::check(&history);
    for violation in &violations {
        eprintln!("VIOLATION {violation}");
        for task in &violation.tasks {
            eprintln!("{}", checker::story(&history, *task));
        }
    }
    system.show_logs = !violations.is_empty();
    if let Ok(folder) = std::env::var("FAULT_TEST_KEEP")
        && !violations.is_empty()
    {
        system.keep(folder.as_ref());
    }
    Report {
        seed: options.seed,
        seconds: began.elapsed().as_secs(),
        style: style.as_str(),
        faults: schedule.done,
        restarts: system.restarts,
        unanswered: workload.unanswered.load(Ordering::Relaxed),
        unknown_files,
        history,
        violations,
    }
}

/// What is looked at all the time.
#[derive(Default)]
struct Watch {
    last: Option<Instant>,
    found: Vec<(&'static str, String)>,
}

impl Watch {
    /// Looks at the artifacts, and whether too much is waiting.
    async fn look(&mut self, system: &System, workload: &Workload) {
        if self.last.is_some_and(|last| last.elapsed() < LOOK * 20) {
            return;
        }
        self.last = Some(Instant::now());
        // Postgres may be away; the next look comes soon.
        let url = servers::url(&system.servers.sockets());
        let Ok(mut database) = PgConnection::connect(&url).await else { return };
        if let Ok(missing) = files::missing(&mut database, &system.media(), &system.store.damaged).await {
            self.found.extend(missing.into_iter().map(|one| ("files", one)));
        }
        if let Ok(count) = unfinished(&mut database).await {
            workload.paused.store(count > BACKLOG, Ordering::Relaxed);
        }
        let _ = database.close().await;
    }
}

async fn unfinished(database: &mut PgConnection) -> sqlx::Result<i64> {
    let sql = "SELECT count(*) FROM task WHERE state IN ('waiting', 'running', 'canceling')";
    sqlx::query_scalar(sql).fetch_one(database).await
}
