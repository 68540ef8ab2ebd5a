//! `pulpcore diffsettings`: what is set, and by whom.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

/// Prints a line per setting; warnings go to the standard error output.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let loaded = entities::settings::load()?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let mut out = std::io::stdout().lock();
    for setting in &loaded.shown {
        writeln!(out, "{setting}").context("cannot print the settings")?;
    }
    Ok(ExitCode::SUCCESS)
}
