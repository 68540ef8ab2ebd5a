//! Whether a task costs more when many others are unfinished, many workers idle, or a transaction is open for long.
//!
//! One task runs all the time, the unfinished ones wait for it. The idle workers are as the others: they take part in the
//! load if they are woken; it is a load for four.

use std::time::Duration;

use entities::settings::WorkerStyle;

use crate::held::Held;
use crate::installation::Installation;
use crate::processor::Used;
use crate::{backlog, crowd, latency, load, options, plot};

/// How long it is waited for rest, and how long it is measured what the installation costs then.
const REST: Duration = Duration::from_secs(5);

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
    /// Milliseconds of processor time per task.
    pub(crate) cost: Used,
    /// Pages of 8 KiB that Postgres looked at per task: what grows here grows however busy the machine is.
    pages: f64,
    start: latency::Quantiles,
    /// Percents of a core when nothing is to be done.
    rest: Used,
}

/// Prints all cases and draws them. The environment may say how many tasks are `UNFINISHED` and workers `IDLE`, how many
/// seconds a transaction is `HELD`, how many `TASKS` a measurement has, and where the `PLOT` goes.
pub(crate) async fn measure(styles: &[WorkerStyle]) -> anyhow::Result<()> {
    let mut cases = Vec::new();
    for style in styles {
        println!("growth {}:", options::title(*style));
        println!(
            "held unfinished   idle   tasks/s  (time)    CPU ms     Postgres        pages     start ms   at rest, % of a core"
        );
        let first = cases.len();
        for held in [false, true] {
            all_sizes(*style, held, &mut cases, first).await?;
        }
    }
    plot::write(&cases)
}

async fn all_sizes(
    style: WorkerStyle,
    held: bool,
    cases: &mut Vec<Case>,
    first: usize,
) -> anyhow::Result<()> {
    let unfinished = options::numbers("UNFINISHED", &[0, 1000, 100_000])?;
    let idle = options::numbers("IDLE", &[2, 100, 1000])?;
    let age = options::seconds("HELD", 600)?;
    let tasks = options::number("TASKS", load::TASKS)?;
    let most = idle.last().copied().unwrap_or_default();
    let mut installation = Installation::with_sessions(style, FIRST, crowd::sessions(most)).await?;
    let jam = backlog::run_for_long(&installation).await?;
    load::drain(&installation, tasks / 2).await?;
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
            tokio::time::sleep(REST).await;
            if let Some(transaction) = &mut transaction {
                anyhow::ensure!(transaction.age().await? >= age, "the transaction is too young");
            }
            let case = Case::measure(&installation, (style, held, unfinished, *idle), tasks).await?;
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
        (style, held, unfinished, idle): (WorkerStyle, bool, usize, usize),
        tasks: usize,
    ) -> anyhow::Result<Case> {
        let now = || Used::now(installation.servers.services().postgres_pid);
        load::one_by_one(installation, tasks / 10).await?;
        tokio::time::sleep(REST).await;
        let before = now();
        tokio::time::sleep(REST).await;
        let rest = now().since(before).per(REST.as_secs_f64() / 100.0);
        let pages_before = pages(installation).await?;
        let before = now();
        let per_second = load::one_by_one(installation, tasks).await?;
        let cost = now().since(before).per(tasks as f64 / 1000.0);
        let pages = (pages(installation).await? - pages_before) as f64 / tasks as f64;
        let start = latency::start(installation).await?;
        Ok(Case { style, held, unfinished, idle, per_second, cost, pages, start, rest })
    }

    /// Beside the smallest case.
    fn line(&self, smallest: &Case) -> String {
        let held = if self.held { "yes" } else { "no" };
        let with_ratio = |value: f64, smallest: f64| format!("{value:.2} ({:.2})", value / smallest);
        format!(
            "{held:4} {:>10} {:>6} {:>9.0}  ({:.2}) {:>12} {:>12} {:>12} {:>12} {:>8.1}, Postgres {:.1}",
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
        )
    }
}

/// How many pages Postgres has looked at; a session tells once a second.
async fn pages(installation: &Installation) -> anyhow::Result<i64> {
    let sql = "SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()";
    tokio::time::sleep(Duration::from_millis(1100)).await;
    installation.count(sql).await
}
