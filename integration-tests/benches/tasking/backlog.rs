//! What 100,000 waiting tasks and 1,000 idle workers cost those who have nothing to do with them.

use std::time::{Duration, Instant};

use entities::settings::WorkerStyle;
use entities::task::TaskState;
use entities::{db, domain};
use integration_tests::tasks::Noop;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::installation::{Installation, origin};
use crate::roles::prn;
use crate::{crowd, latency, load, options};

const WAITING: usize = 100_000;
const IDLE: usize = 1000;

/// Throughput and start beside a task that 100,000 others wait for; the manager's memory and start with them,
/// if there is one.
pub(crate) async fn waiting(style: WorkerStyle) -> anyhow::Result<()> {
    let mut installation = Installation::start(style, 3).await?;
    let before = Measurement::take(&installation).await?;
    let jam = run_for_long(&installation).await?;
    wait_behind(&installation, style, WAITING).await?;
    let after = Measurement::take(&installation).await?;
    println!("{}, without tasks waiting: {before}", options::title(style));
    println!("  with {WAITING} tasks waiting: {after}\n  {}", after.against(&before));
    if style == WorkerStyle::Redis {
        takeover(&mut installation).await?;
    }
    forget(&installation, jam).await
}

/// The memory of a manager with them, and how soon the next one routes.
async fn takeover(installation: &mut Installation) -> anyhow::Result<()> {
    let memory = installation.process("manager").memory("VmRSS");
    println!("  the manager's memory with them: {memory:.0} MiB");
    let epoch = "SELECT epoch FROM leader";
    let old = installation.count(epoch).await?;
    installation.play("next manager", &["manager"]);
    installation.kill("manager");
    let killed = Instant::now();
    while installation.count(epoch).await? == old {
        anyhow::ensure!(killed.elapsed() < Duration::from_secs(30), "nobody leads");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let elected = Instant::now();
    let probe = installation.dispatcher.dispatch(&load::task(), origin()).await?;
    latency::ended(installation, probe, TaskState::Completed, Duration::from_secs(60)).await?;
    println!(
        "  from the election of a manager to the end of the first task, with them: {:.2} s",
        elected.elapsed().as_secs_f64()
    );
    println!("  that manager's memory: {:.0} MiB", installation.process("next manager").memory("VmHWM"));
    Ok(())
}

/// Throughput and start beside 1,000 workers that have nothing to do.
pub(crate) async fn idle_workers(style: WorkerStyle) -> anyhow::Result<()> {
    let mut installation = Installation::with_sessions(style, 2, crowd::sessions(IDLE)).await?;
    let before = Measurement::take(&installation).await?;
    crowd::come(&mut installation, "workers", IDLE);
    installation.await_workers(IDLE + 2).await?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let after = Measurement::take(&installation).await?;
    println!("{}, with 2 workers: {before}", options::title(style));
    println!("  with {IDLE} more that are idle: {after}\n  {}", after.against(&before));
    Ok(())
}

/// Lets a task run that others can wait for.
pub(crate) async fn run_for_long(installation: &Installation) -> anyhow::Result<Uuid> {
    let jam = Noop { milliseconds: 36_000_000, exclusive: vec![prn("jam", 0)], shared: Vec::new() };
    Ok(installation.dispatcher.dispatch(&jam, origin()).await?)
}

/// Lets so many more tasks wait for the one that runs, past the dispatcher, and waits until they are in their
/// lines.
pub(crate) async fn wait_behind(
    installation: &Installation,
    style: WorkerStyle,
    count: usize,
) -> anyhow::Result<()> {
    let insert = "INSERT INTO task (pulp_id, pulp_domain_id, name, args, exclusive_resources, shared_resources, logging_cid)
               SELECT gen_random_uuid(), $1, 'test.noop', '{\"milliseconds\": 0, \"exclusive\": [], \"shared\": []}',
                      ARRAY['prn:bench.jam:0', 'prn:bench.waiting:' || number % 1000], ARRAY['prn:bench.shared:1'],
                      'bench' FROM generate_series(1, $2) AS number";
    let sql = match style {
        WorkerStyle::Redis => insert.to_owned(),
        WorkerStyle::Postgres => format!(
            "WITH accepted AS ({insert} RETURNING pulp_id)
             INSERT INTO task_change (task_id) SELECT pulp_id FROM accepted"
        ),
    };
    let values = [domain::DEFAULT.into(), i64::try_from(count)?.into()];
    installation.pulp.db.execute_raw(db::sql(&sql, values)).await?;
    // It comes after them, so that they are all known once it has run.
    let probe = installation.dispatcher.dispatch(&load::task(), origin()).await?;
    latency::ended(installation, probe, TaskState::Completed, Duration::from_secs(180)).await?;
    Ok(())
}

/// Ends what is left.
pub(crate) async fn forget(installation: &Installation, jam: Uuid) -> anyhow::Result<()> {
    let sql = "UPDATE task SET state = 'canceled', finished_at = now() WHERE state = 'waiting'";
    installation.pulp.db.execute_raw(db::sql(sql, [])).await?;
    installation.dispatcher.cancel(jam).await?;
    latency::ended(installation, jam, TaskState::Canceled, Duration::from_secs(60)).await?;
    Ok(())
}
struct Measurement {
    throughput: f64,
    start: latency::Quantiles,
}

impl Measurement {
    async fn take(installation: &Installation) -> anyhow::Result<Measurement> {
        load::drain(installation, 1000).await?;
        let throughput = load::drain(installation, load::TASKS).await?;
        Ok(Measurement { throughput, start: latency::start(installation).await? })
    }

    fn against(&self, before: &Measurement) -> String {
        format!(
            "time per task grows by {:.2}, time to start by {:.2}",
            before.throughput / self.throughput,
            self.start.p50 / before.start.p50
        )
    }
}

impl std::fmt::Display for Measurement {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:.0} tasks/s, start {}", self.throughput, self.start)
    }
}
