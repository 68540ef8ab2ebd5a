//! `fault-test`: the fault test for as long and as often as one likes, with a report in a file.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use integration_tests::faults::{self, Options, Style};
use serde_json::{Value, json};

/// Does random faults to a whole installation and checks that every promise is kept.
#[derive(Debug, Parser)]
struct Arguments {
    /// Minutes of faults in one run
    #[arg(long, default_value_t = 3.0)]
    minutes: f64,
    /// What is random follows from it; drawn if not given
    #[arg(long)]
    seed: Option<u64>,
    /// Runs, each with the next seed
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// The style of tasking
    #[arg(long, default_value = "redis")]
    style: Style,
    /// A file for what was done and found, as JSON
    #[arg(long)]
    report: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let style = arguments.style;
    let duration = Duration::try_from_secs_f64(arguments.minutes * 60.0).context("--minutes")?;
    let first = arguments.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (mut runs, mut failed): (Vec<Value>, u64) = (Vec::new(), 0);
    for seed in first..first + arguments.runs {
        let report = runtime.block_on(faults::run(Options { style, seed, duration }));
        eprintln!("{}", report.line());
        failed += u64::from(!report.violations.is_empty());
        runs.push(report.json());
        if let Some(path) = &arguments.report {
            let minutes = arguments.minutes;
            let whole = json!({"minutes": minutes, "style": style.as_str(), "failed": failed, "runs": runs});
            std::fs::write(path, serde_json::to_string_pretty(&whole)?)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
