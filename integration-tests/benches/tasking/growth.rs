//! Whether a task costs more when many others are unfinished, many workers idle, or a transaction is open for
//! long.
//!
//! One task runs all the time, the unfinished ones wait for it. The idle workers are as the others: they take
//! part in the load if they are woken; it is a load for two. What the installations take when they rest
//! (heartbeats above all) is shown beside, and is no part of the cost of a task.
//!
//! On a machine that shares its caches with others the same case may take twice the processor time for some
//! minutes, with about the same counts of statements, and without any time that counts as stolen. So a second
//! installation of the smallest size stands beside, both are measured in turns, and what counts is the median
//! of their ratios.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use entities::settings::WorkerStyle;

use crate::held::Held;
use crate::installation::Installation;
use crate::processor::Used;
use crate::{backlog, crowd, latency, load, options, plot};

/// How long it is measured what the installations take when they rest.
const REST: Duration = Duration::from_secs(6);

/// Percents of a core: what takes more does not rest, but still begins or cleans up.
const RESTLESS: f64 = 60.0;

/// How often it is looked whether the installations rest by now.
const LOOKS: usize = 30;

/// Measurements of one case.
const ROUNDS: usize = 5;

/// Tasks of one measurement.
const TASKS: usize = 1000;

/// The workers that are there from the beginning: two that are idle, and one for the task that the others
/// wait for.
const FIRST: usize = 3;

/// One case.
pub(crate) struct Case {
    pub(crate) style: WorkerStyle,
    /// Whether a transaction was open.
    pub(crate) held: bool,
    pub(crate) unfinished: usize,
    pub(crate) idle: usize,
    /// Of tasks, in turns with the smallest size.
    rounds: Vec<Pair<Round>>,
    start: Pair<latency::Quantiles>,
    /// Percents of a core when nothing is to be done, of both installations together and of this one's
    /// Postgres.
    rest: Used,
}

/// The same of this case and of the smallest size.
struct Pair<T> {
    case: T,
    smallest: T,
}

/// What was measured of some tasks, beyond what is used at rest.
struct Round {
    per_second: f64,
    /// Milliseconds of processor time per task.
    cost: Used,
    /// Pages of 8 KiB that Postgres looked at per task: what grows here grows however busy the machine is.
    pages: f64,
}

/// Prints all cases and draws them. The environment may say how many tasks are `UNFINISHED` and workers
/// `IDLE`, how many seconds a transaction is `HELD`, how many `TASKS` a measurement has, and where the `PLOT`
/// goes.
pub(crate) async fn measure(styles: &[WorkerStyle]) -> anyhow::Result<()> {
    let tasks = options::number("TASKS", TASKS)?;
    let mut cases = Vec::new();
    for style in styles {
        println!(
            "growth {}, beside the smallest size in turns (least to most of {ROUNDS}):",
            options::title(*style)
        );
        println!(
            "held unfinished   idle  tasks/s  (time)                  CPU ms     Postgres        pages     start ms   at rest, % of a core"
        );
        let smallest = Installation::with_sessions(*style, FIRST, crowd::sessions(FIRST)).await?;
        let jam = backlog::run_for_long(&smallest).await?;
        load::drain(&smallest, tasks).await?;
        for held in [false, true] {
            all_sizes(&smallest, tasks, *style, held, &mut cases).await?;
        }
        backlog::forget(&smallest, jam).await?;
    }
    plot::write(&cases)
}

async fn all_sizes(
    smallest: &Installation,
    tasks: usize,
    style: WorkerStyle,
    held: bool,
    cases: &mut Vec<Case>,
) -> anyhow::Result<()> {
    let unfinished = options::numbers("UNFINISHED", &[0, 1000, 100_000])?;
    let idle = options::numbers("IDLE", &[2, 100, 1000])?;
    let age = options::seconds("HELD", 600)?;
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
            let case = Case::measure(&installation, smallest, sizes, tasks).await?;
            println!("{}", case.line());
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
        smallest: &Installation,
        (style, held, unfinished, idle): (WorkerStyle, bool, usize, usize),
        tasks: usize,
    ) -> anyhow::Result<Case> {
        let both = Pair { case: installation, smallest };
        load::one_by_one(both.case, tasks / 5).await?;
        load::one_by_one(both.smallest, tasks / 5).await?;
        let calm = rest(&both).await?;
        let mut seen = Vec::new();
        for _ in 0..ROUNDS {
            seen.push(Pair {
                case: run(both.case, tasks).await?,
                smallest: run(both.smallest, tasks).await?,
            });
        }
        // The mean of before and after, for what goes on beside may have begun or ended meanwhile.
        let calm_again = rest(&both).await?;
        let rest = calm.case.and(&calm_again.case);
        let rest_of_smallest = calm.smallest.and(&calm_again.smallest);
        let rounds = seen.iter().map(|seen| Pair {
            case: Round::beyond(&rest, &seen.case, tasks),
            smallest: Round::beyond(&rest_of_smallest, &seen.smallest, tasks),
        });
        let rounds = rounds.collect();
        let start =
            Pair { case: latency::start(both.case).await?, smallest: latency::start(both.smallest).await? };
        let rest = rest.used.per(rest.seconds / 100.0);
        Ok(Case { style, held, unfinished, idle, rounds, start, rest })
    }

    /// How many times the processor time of the smallest size a task takes.
    pub(crate) fn ratio(&self) -> f64 {
        median(self.ratios(|round| round.cost.all))
    }

    fn ratios(&self, value: impl Fn(&Round) -> f64) -> Vec<f64> {
        self.rounds.iter().map(|pair| value(&pair.case) / value(&pair.smallest)).collect()
    }

    /// Beside the smallest size.
    fn line(&self) -> String {
        let held = if self.held { "yes" } else { "no" };
        let middle =
            |value: fn(&Round) -> f64| median(self.rounds.iter().map(|pair| value(&pair.case)).collect());
        let with_ratio =
            |value: fn(&Round) -> f64| format!("{:.2} ({:.2})", middle(value), median(self.ratios(value)));
        let ratios = self.ratios(|round| round.cost.all);
        format!(
            "{held:4} {:>10} {:>6} {:>8.0}  ({:.2}) {:>23} {:>12} {:>12} {:>12} {:>8.1}, Postgres {:>4.1}",
            self.unfinished,
            self.idle,
            middle(|round| round.per_second),
            median(self.ratios(|round| 1.0 / round.per_second)),
            format!(
                "{:.2} ({:.2}; {:.2} to {:.2})",
                middle(|round| round.cost.all),
                self.ratio(),
                ratios.iter().copied().fold(f64::INFINITY, f64::min),
                ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            ),
            with_ratio(|round| round.cost.postgres),
            format!("{:.0} ({:.2})", middle(|round| round.pages), median(self.ratios(|round| round.pages))),
            format!("{:.2} ({:.2})", self.start.case.p50, self.start.case.p50 / self.start.smallest.p50),
            self.rest.all,
            self.rest.postgres,
        )
    }
}

fn median(values: Vec<f64>) -> f64 {
    latency::Quantiles::of(values).p50
}

impl Round {
    /// What so many tasks took that ran at that rate.
    fn beyond(rest: &Between, (per_second, seen): &(f64, Between), tasks: usize) -> Round {
        let share = seen.seconds / rest.seconds;
        Round {
            per_second: *per_second,
            cost: seen.used.since(rest.used.per(1.0 / share)).per(tasks as f64 / 1000.0),
            pages: (seen.pages - rest.pages * share) / tasks as f64,
        }
    }
}

/// Runs tasks, and answers how many per second, and what was used.
async fn run(installation: &Installation, tasks: usize) -> anyhow::Result<(f64, Between)> {
    let before = Reading::take(installation).await?;
    let per_second = load::one_by_one(installation, tasks).await?;
    Ok((per_second, Reading::take(installation).await?.since(&before)))
}

/// What is used as soon as both installations rest.
async fn rest(both: &Pair<&Installation>) -> anyhow::Result<Pair<Between>> {
    for _ in 0..LOOKS {
        let before =
            Pair { case: Reading::take(both.case).await?, smallest: Reading::take(both.smallest).await? };
        tokio::time::sleep(REST).await;
        let rest = Pair {
            case: Reading::take(both.case).await?.since(&before.case),
            smallest: Reading::take(both.smallest).await?.since(&before.smallest),
        };
        if rest.case.used.all < RESTLESS / 100.0 * rest.case.seconds {
            return Ok(rest);
        }
    }
    anyhow::bail!("the installations do not come to rest")
}

/// What has been used until some moment: by an installation's Postgres, and by everything.
struct Reading {
    seconds: f64,
    used: Used,
    pages: f64,
}

/// What has been used between two moments.
struct Between {
    seconds: f64,
    used: Used,
    pages: f64,
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
        }
    }
}

impl Reading {
    async fn take(installation: &Installation) -> anyhow::Result<Reading> {
        // A session tells once a second how many pages it has looked at.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let sql = "SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()";
        let pages = installation.count(sql).await? as f64;
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        Ok(Reading { seconds, used: Used::now(installation.servers.services().postgres_pid), pages })
    }

    fn since(&self, then: &Reading) -> Between {
        Between {
            seconds: self.seconds - then.seconds,
            used: self.used.since(then.used),
            pages: self.pages - then.pages,
        }
    }
}
