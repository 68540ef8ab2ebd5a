//! The `pulpcore` command.

mod services;
mod supervise;

use clap::Parser;

/// Pulp: fetch, upload, organise and distribute software packages.
#[derive(Debug, Parser)]
enum Command {
    /// Private Postgres and Redis for tests
    #[command(hide = true)]
    Services(services::command::Options),
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Command::parse() {
        Command::Services(options) => runtime.block_on(services::command::run(options)),
    }
}
