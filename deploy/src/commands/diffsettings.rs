//! `pulpcore diffsettings`: what is set, and by whom.

use std::process::ExitCode;

/// Prints a line per setting; warnings go to the standard error output.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let loaded = entities::settings::load()?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let lines: Vec<String> = loaded.shown.iter().map(ToString::to_string).collect();
    super::print(&lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}
