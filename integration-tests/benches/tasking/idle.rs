//! What workers cost Postgres that have nothing to do.

use std::time::Duration;

use entities::settings::WorkerStyle;

use crate::installation::Installation;
use crate::processor::Used;
use crate::undisturbed::undisturbed;
use crate::{crowd, options};

/// How many.
const WORKERS: usize = 1000;

/// Until their beginning is over, and each of their sessions has been used.
const SETTLE: Duration = Duration::from_secs(120);

/// Prints how much of a core it takes, with heartbeats and without. `WORKERS` and `SECONDS` may say of how
/// many workers and for how long.
pub(crate) async fn measure(style: WorkerStyle) -> anyhow::Result<()> {
    let workers = options::number("WORKERS", WORKERS)?;
    let length = options::seconds("SECONDS", 60)?;
    let (whole, sessions) = cost(style, "workers", workers, length).await?;
    let (beats, _) = cost(style, "beats", workers, length).await?;
    println!("{workers} idle workers for {length:?}, {sessions} sessions, in % of a core:");
    println!("  all processes of Postgres: {:.1} (the aim: below 5)", whole.postgres);
    println!(
        "  of which for heartbeats: {:.1} (the same number of processes that only beat)",
        beats.postgres
    );
    println!("  without heartbeats: {:.1}", whole.postgres - beats.postgres);
    println!("  everything, the workers themselves included: {:.1}", whole.all);
    Ok(())
}

/// Percents of a core, and the sessions of Postgres.
async fn cost(
    style: WorkerStyle,
    role: &str,
    workers: usize,
    length: Duration,
) -> anyhow::Result<(Used, i64)> {
    let mut installation = Installation::with_sessions(style, 0, crowd::sessions(workers)).await?;
    crowd::come(&mut installation, role, workers);
    installation.await_workers(workers).await?;
    tokio::time::sleep(SETTLE).await;
    let postgres = installation.servers.services().postgres_pid;
    let minute = async || {
        let before = Used::now(postgres);
        tokio::time::sleep(length).await;
        Ok(Used::now(postgres).since(before).per(length.as_secs_f64() / 100.0))
    };
    let used = undisturbed(minute, |used| used.postgres).await?;
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'";
    Ok((used, installation.count(sessions).await?))
}
