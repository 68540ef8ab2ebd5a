//! `pulpcore openapi`: the API document, without server, database or settings.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use crate::plugins;

/// Prints the document as JSON.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    plugins::install();
    let document = api::openapi::document(&plugins::api());
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &document)
        .map_err(std::io::Error::from)
        .and_then(|()| writeln!(out))
        .context("cannot print the document")?;
    Ok(ExitCode::SUCCESS)
}
