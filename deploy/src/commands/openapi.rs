//! `pulpcore openapi`: the API document, without server, database or settings.

use std::process::ExitCode;

use entities::Links;

use crate::plugins::Plugins;

/// The root that the document is written for.
const ROOT: &str = "/pulp/";

/// Prints the document as JSON.
pub(crate) fn run(plugins: Plugins) -> anyhow::Result<ExitCode> {
    let links = Links::new(plugins.kinds(), ROOT);
    let document = api::openapi::document(&plugins.components(), links.root());
    super::print(&serde_json::to_string_pretty(&document)?)?;
    Ok(ExitCode::SUCCESS)
}
