//! The subcommands, one module each.

use std::io::{ErrorKind, Write};

use anyhow::Context;

pub(crate) mod api;
pub(crate) mod content;
pub(crate) mod diffsettings;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod queue_info;
pub(crate) mod reset_admin_password;
pub(crate) mod tasks_doctor;
pub(crate) mod worker;

/// Prints to the standard output. A reader that has gone away has seen enough.
fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot print the answer"),
        _ => Ok(()),
    }
}

/// As [`print()`]; colours only for a terminal.
fn print_styled(text: &str) -> anyhow::Result<()> {
    match writeln!(anstream::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot print the answer"),
        _ => Ok(()),
    }
}
