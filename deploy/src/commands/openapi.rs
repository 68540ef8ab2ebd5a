//! `pulpcore openapi`: the API document, without server, database or settings.

use std::process::ExitCode;

use crate::plugins;

/// Prints the document as JSON.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    plugins::install();
    let document = api::openapi::document(&plugins::api());
    super::print(&serde_json::to_string_pretty(&document)?)?;
    Ok(ExitCode::SUCCESS)
}
