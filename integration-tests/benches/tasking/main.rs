//! How fast tasks are routed, started, canceled and ended, beside what the same Postgres can do and beside rq.
//!
//! `cargo build --release && PULPCORE=$PWD/target/release/pulpcore cargo bench -p integration-tests --bench tasking`.
//! Postgres is durable, and everything runs on the same machine. `PARTS` names the parts to run, all by default:
//! `throughput`, `latency`, `backlog`, `idle`; `STYLE=postgres` measures tasking without Redis. Compare the ratios: both sides of each come
//! from the same run.

mod backlog;
mod installation;
mod latency;
mod load;
mod peers;
mod roles;

use installation::Installation;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if !arguments.is_empty() {
        return runtime.block_on(roles::play(&arguments));
    }
    let parts = std::env::var("PARTS").unwrap_or_default();
    let wanted = |part: &str| parts.is_empty() || parts.split(',').any(|name| name == part);
    runtime.block_on(async {
        if wanted("throughput") {
            throughput().await?;
        }
        if wanted("latency") {
            latency::measure().await?;
        }
        if wanted("backlog") {
            backlog::waiting().await?;
        }
        if wanted("idle") {
            backlog::idle_workers().await?;
        }
        Ok(())
    })
}

/// Tasks per second beside three commits of pgbench and beside rq.
async fn throughput() -> anyhow::Result<()> {
    let installation = Installation::start(2).await?;
    load::drain(&installation, 1000).await?;
    let (mut ours, mut narrow, mut wide) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        narrow.push(peers::three_commits(&installation, &peers::NARROW)?);
        ours.push(load::drain(&installation, load::TASKS).await?);
        wide.push(peers::three_commits(&installation, &peers::TASK)?);
    }
    let (ours, narrow, wide) = (mean(&ours), mean(&narrow), mean(&wide));
    let rq = peers::rq(&installation)?;
    println!("tasks per second, 2 workers, dispatched by 4 clients: {ours:.0}");
    println!("pgbench, INSERT and two UPDATEs as three commits, 4 clients:");
    println!("  a narrow row: {narrow:.0}; ratio {:.2}", ours / narrow);
    println!("  the row of a task: {wide:.0}; ratio {:.2}", ours / wide);
    println!("rq, 2 workers, forking as by default: {rq:.0}; ratio {:.0}", ours / rq);
    Ok(())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
