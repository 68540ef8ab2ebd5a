//! `pulpcore openapi`: the API document, without server, database or settings.

use std::process::ExitCode;

use crate::plugins::Plugins;

/// Prints the document as JSON.
pub(crate) fn run(plugins: Plugins) -> anyhow::Result<ExitCode> {
    plugins.install();
    let document = api::openapi::document(&plugins.components());
    super::print(&serde_json::to_string_pretty(&document)?)?;
    Ok(ExitCode::SUCCESS)
}
