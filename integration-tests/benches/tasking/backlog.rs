//! What 100,000 waiting tasks and 1,000 idle workers cost those who have nothing to do with them.

use std::time::{Duration, Instant};

use entities::{db, domain};
use sea_orm::ConnectionTrait;

use integration_tests::tasks::Noop;

use crate::installation::{Installation, origin};
use crate::latency;
use crate::load;
use crate::roles::prn;

const WAITING: i64 = 100_000;
const IDLE: usize = 1000;

/// Idle workers in one process.
const CROWD: usize = 250;

/// Throughput and start beside a task that 100,000 others wait for; the manager's memory and start with them.
pub(crate) async fn waiting() -> anyhow::Result<()> {
    let mut installation = Installation::start(3).await?;
    let before = Measurement::take(&installation).await?;
    let jam = Noop { milliseconds: 3_600_000, exclusive: vec![prn("jam", 0)], shared: Vec::new() };
    let jam = installation.dispatcher.dispatch(&jam, origin()).await?;
    let sql = "INSERT INTO task (pulp_id, pulp_domain_id, name, args, exclusive_resources, shared_resources, logging_cid)
               SELECT gen_random_uuid(), $1, 'test.noop', '{\"milliseconds\": 0, \"exclusive\": [], \"shared\": []}',
                      ARRAY['prn:bench.jam:0', 'prn:bench.waiting:' || number % 1000], ARRAY['prn:bench.shared:1'],
                      'bench' FROM generate_series(1, $2) AS number";
    installation.pulp.db.execute_raw(db::sql(sql, [domain::DEFAULT.into(), WAITING.into()])).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = Measurement::take(&installation).await?;
    println!(
        "without tasks waiting: {before}\nwith {WAITING} tasks waiting: {after}\n{}",
        after.against(&before)
    );
    println!("the manager's memory with them: {:.0} MiB", installation.process("manager").memory("VmRSS"));

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
    let sql = format!("SELECT count(*) FROM task WHERE pulp_id = '{probe}' AND state = 'completed'");
    while installation.count(&sql).await? == 0 {
        anyhow::ensure!(elected.elapsed() < Duration::from_secs(60), "a new leader routes nothing");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    println!(
        "from the election of a manager to the end of the first task, with them: {:.2} s",
        elected.elapsed().as_secs_f64()
    );
    println!("that manager's memory: {:.0} MiB", installation.process("next manager").memory("VmHWM"));
    let sql = "UPDATE task SET state = 'canceled' WHERE state = 'waiting'";
    installation.pulp.db.execute_raw(db::sql(sql, [])).await?;
    installation.dispatcher.cancel(jam).await?;
    Ok(())
}

/// Throughput and start beside 1,000 workers that have nothing to do.
pub(crate) async fn idle_workers() -> anyhow::Result<()> {
    // A worker has a session to beat and one to look at its rows, and up to two more when it works.
    let mut installation = Installation::with_sessions(2, 2 * IDLE as u32 + 300).await?;
    let before = Measurement::take(&installation).await?;
    for crowd in 0..IDLE / CROWD {
        let prefix = format!("idle-{crowd}-");
        installation.play(&prefix, &["workers", &prefix, &CROWD.to_string()]);
    }
    installation.await_workers(IDLE + 2).await?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let after = Measurement::take(&installation).await?;
    println!("with 2 workers: {before}\nwith {IDLE} more that are idle: {after}\n{}", after.against(&before));
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
