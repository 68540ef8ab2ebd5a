//! The command line.

use clap::{Args, Parser, Subcommand};

use crate::{dev, services};

/// Pulp: fetch, upload, organise and distribute software packages.
#[derive(Debug, Parser)]
#[command(name = "pulpcore", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring the database's schema up to date
    Migrate,
    /// Set the password of the user `admin`, creating the user if need be
    ResetAdminPassword(ResetAdminPassword),
    /// Print every setting, its value and where it came from
    Diffsettings,
    /// Run all of Pulp in this terminal, with its own Postgres and Redis
    Dev(dev::Options),
    /// Private Postgres and Redis for tests
    #[command(hide = true)]
    Services(services::command::Options),
}

/// Options of `reset-admin-password`; without one the password is asked for, or read from a pipe.
#[derive(Args, Debug)]
pub(crate) struct ResetAdminPassword {
    /// The new password; others can see it in the list of processes
    #[arg(short, long)]
    pub(crate) password: Option<String>,
    /// Draw a random password and print it
    #[arg(long, conflicts_with = "password")]
    pub(crate) random: bool,
}
