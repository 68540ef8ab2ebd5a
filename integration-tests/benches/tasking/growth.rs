//! Whether a task costs more when many others are unfinished, many workers idle, or a transaction is open for long.
//!
//! One task runs all the time, the unfinished ones wait for it. The idle workers are as the others: they take part in the
//! load if they are woken; it is a load for two. What the installation takes when it rests (heartbeats above all) is shown
//! beside, and is no part of the cost of a task. Processor time is as it would be at the full speed of the processors, of
//! which others that share them take some; what a host takes altogether is not in it. Of several measurements of a case the
//! median counts: whether two clients get into step with the workers, or out of it, is chance and lasts for seconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use entities::settings::WorkerStyle;

use crate::gauge::{Done, Gauge};
use crate::held::Held;
use crate::installation::Installation;
use crate::processor::Used;
use crate::{backlog, crowd, latency, load, options, plot};

/// How long it is measured what the installation takes when it rests.
const REST: Duration = Duration::from_secs(6);

/// Percents of a core: what takes more does not rest, but still begins or cleans up.
const RESTLESS: f64 = 60.0;

/// How often it is looked whether the installation rests by now.
const LOOKS: usize = 30;

/// Measurements of one case.
const ROUNDS: usize = 5;

/// Tasks of one measurement.
const TASKS: usize = 1000;

/// The workers that are there from the beginning: two that are idle, and one for the task that the others wait for.
const FIRST: usize = 3;

/// One case.
pub(crate) struct Case {
    pub(crate) style: WorkerStyle,
    /// Whether a transaction was open.
    pub(crate) held: bool,
    pub(crate) unfinished: usize,
    pub(crate) idle: usize,
    per_second: f64,
    /// Milliseconds of processor time per task, beyond what is used at rest.
    pub(crate) cost: Used,
    /// Pages of 8 KiB that Postgres looked at per task: what grows here grows however busy the machine is.
    pages: f64,
    start: latency::Quantiles,
    /// Percents of a core when nothing is to be done.
    rest: Used,
    /// How many times as slow the processors were as at full speed.
    slowness: f64,
}

/// Prints all cases and draws them. The environment may say how many tasks are `UNFINISHED` and workers `IDLE`, how many
/// seconds a transaction is `HELD`, how many `TASKS` a measurement has, and where the `PLOT` goes.
pub(crate) async fn measure(styles: &[WorkerStyle]) -> anyhow::Result<()> {
    let gauge = Gauge::start();
    let mut cases = Vec::new();
    for style in styles {
        println!("growth {}:", options::title(*style));
        println!(
            "held unfinished   idle   tasks/s  (time)    CPU ms     Postgres        pages     start ms   at rest, % of a core   slowness"
        );
        let first = cases.len();
        for held in [false, true] {
            all_sizes(&gauge, *style, held, &mut cases, first).await?;
        }
    }
    plot::write(&cases)
}

async fn all_sizes(
    gauge: &Gauge,
    style: WorkerStyle,
    held: bool,
    cases: &mut Vec<Case>,
    first: usize,
) -> anyhow::Result<()> {
    let unfinished = options::numbers("UNFINISHED", &[0, 1000, 100_000])?;
    let idle = options::numbers("IDLE", &[2, 100, 1000])?;
    let age = options::seconds("HELD", 600)?;
    let tasks = options::number("TASKS", TASKS)?;
    let most = idle.last().copied().unwrap_or_default();
    let mut installation = Installation::with_sessions(style, FIRST, crowd::sessions(most)).await?;
    let jam = backlog::run_for_long(&installation).await?;
    load::drain(&installation, tasks).await?;
    let mut transaction = match held {
        true => Some(Held::open(&installation, age).await?),
        false => None,
    };
    let mut waiting = 0;
    for unfinished in unfinished {
        backlog::wait_behind(&installation, style, unfinished - waiting).await?;
        waiting = unfinished;
        for idle in &idle {
            let more = idle.saturating_sub(FIRST - 1);
            let crowd = crowd::come(&mut installation, "workers", more);
            installation.await_workers(FIRST + more).await?;
            crowd::settle(more).await;
            if let Some(transaction) = &mut transaction {
                anyhow::ensure!(transaction.age().await? >= age, "the transaction is too young");
            }
            let sizes = (style, held, unfinished, *idle);
            let case = Case::measure(&installation, gauge, sizes, tasks).await?;
            println!("{}", case.line(cases.get(first).unwrap_or(&case)));
            cases.push(case);
            crowd::leave(&mut installation, &crowd).await;
        }
    }
    if let Some(transaction) = transaction {
        transaction.end().await?;
    }
    backlog::forget(&installation, jam).await
}

impl Case {
    async fn measure(
        installation: &Installation,
        gauge: &Gauge,
        (style, held, unfinished, idle): (WorkerStyle, bool, usize, usize),
        tasks: usize,
    ) -> anyhow::Result<Case> {
        load::one_by_one(installation, tasks / 5).await?;
        let calm = rest(installation, gauge).await?;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let before = Reading::take(installation, gauge).await?;
            let per_second = load::one_by_one(installation, tasks).await?;
            rounds.push((per_second, Reading::take(installation, gauge).await?.since(&before)));
        }
        // The mean of before and after, for what goes on beside may have begun or ended meanwhile.
        let rest = calm.and(&rest(installation, gauge).await?);
        let beyond_rest = |used: &Between| used.used.since(rest.used.per(rest.seconds / used.seconds));
        rounds.sort_by(|(_, one), (_, other)| beyond_rest(one).all.total_cmp(&beyond_rest(other).all));
        let (per_second, used) = &rounds[ROUNDS / 2];
        let cost = beyond_rest(used).per(tasks as f64 / 1000.0);
        let pages = (used.pages - rest.pages * used.seconds / rest.seconds) / tasks as f64;
        let (per_second, slowness) = (*per_second, used.slowness);
        let rest = rest.used.per(rest.seconds / 100.0);
        let start = latency::start(installation).await?;
        Ok(Case { style, held, unfinished, idle, per_second, cost, pages, start, rest, slowness })
    }

    /// Beside the smallest case.
    fn line(&self, smallest: &Case) -> String {
        let held = if self.held { "yes" } else { "no" };
        let with_ratio = |value: f64, smallest: f64| format!("{value:.2} ({:.2})", value / smallest);
        format!(
            "{held:4} {:>10} {:>6} {:>9.0}  ({:.2}) {:>12} {:>12} {:>12} {:>12} {:>8.1}, Postgres {:>4.1} {:>10.2}",
            self.unfinished,
            self.idle,
            self.per_second,
            smallest.per_second / self.per_second,
            with_ratio(self.cost.all, smallest.cost.all),
            with_ratio(self.cost.postgres, smallest.cost.postgres),
            format!("{:.0} ({:.2})", self.pages, self.pages / smallest.pages),
            with_ratio(self.start.p50, smallest.start.p50),
            self.rest.all,
            self.rest.postgres,
            self.slowness,
        )
    }
}

/// What the installation takes as soon as it rests.
async fn rest(installation: &Installation, gauge: &Gauge) -> anyhow::Result<Between> {
    for _ in 0..LOOKS {
        let before = Reading::take(installation, gauge).await?;
        tokio::time::sleep(REST).await;
        let rest = Reading::take(installation, gauge).await?.since(&before);
        if rest.used.all < RESTLESS / 100.0 * rest.seconds {
            return Ok(rest);
        }
    }
    anyhow::bail!("the installation does not come to rest")
}

/// What has been used until some moment.
struct Reading {
    seconds: f64,
    used: Used,
    pages: f64,
    done: Done,
}

/// What has been used between two moments.
struct Between {
    seconds: f64,
    /// At full speed.
    used: Used,
    pages: f64,
    slowness: f64,
}

impl Between {
    /// Both times together.
    fn and(&self, other: &Between) -> Between {
        Between {
            seconds: self.seconds + other.seconds,
            used: Used {
                all: self.used.all + other.used.all,
                postgres: self.used.postgres + other.used.postgres,
            },
            pages: self.pages + other.pages,
            slowness: self.slowness.max(other.slowness),
        }
    }
}

impl Reading {
    async fn take(installation: &Installation, gauge: &Gauge) -> anyhow::Result<Reading> {
        // A session tells once a second how many pages it has looked at.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let sql = "SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()";
        let pages = installation.count(sql).await? as f64;
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let used = Used::now(installation.servers.services().postgres_pid);
        Ok(Reading { seconds, used, pages, done: gauge.done() })
    }

    fn since(&self, then: &Reading) -> Between {
        let slowness = self.done.slowness(then.done);
        Between {
            seconds: self.seconds - then.seconds,
            used: self.used.since(then.used).per(slowness),
            pages: self.pages - then.pages,
            slowness,
        }
    }
}
