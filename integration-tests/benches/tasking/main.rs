//! How fast tasks are routed, started, canceled and ended, beside what the same Postgres can do and beside
//! rq.
//!
//! `cargo build --release && PULPCORE=$PWD/target/release/pulpcore cargo bench -p integration-tests --bench
//! tasking`. Postgres is durable, and everything runs on the same machine. `PARTS` names the parts to run,
//! all by default: `throughput`, `latency`, `backlog`, `crowd`, `idle`, `growth`; `STYLE` is the style of
//! tasking: `redis` by default, `postgres`, or `both`, side by side. Compare the ratios: both sides of each
//! come from the same run.

mod backlog;
mod crowd;
mod growth;
mod held;
mod idle;
mod installation;
mod latency;
mod load;
mod options;
mod peers;
mod plot;
mod processor;
mod roles;
mod throughput;
mod undisturbed;

use options::wanted;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if !arguments.is_empty() {
        return runtime.block_on(roles::play(&arguments));
    }
    runtime.block_on(async {
        let styles = options::styles()?;
        if wanted("throughput") {
            throughput::measure(&styles).await?;
        }
        for style in &styles {
            if wanted("latency") {
                latency::measure(*style).await?;
            }
            if wanted("backlog") {
                backlog::waiting(*style).await?;
            }
            if wanted("crowd") {
                backlog::idle_workers(*style).await?;
            }
            if wanted("idle") {
                idle::measure(*style).await?;
            }
        }
        if wanted("growth") {
            growth::measure(&styles).await?;
        }
        Ok(())
    })
}
