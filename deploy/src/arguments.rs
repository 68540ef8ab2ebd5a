//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tasking::resource_manager::Standby;

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
    /// Serve the REST API
    Api(Bind),
    /// Serve content
    Content(Bind),
    /// Run tasks
    Worker(Worker),
    /// Bring the database's schema up to date
    Migrate,
    /// Set the password of the user `admin`, creating the user if need be
    ResetAdminPassword(ResetAdminPassword),
    /// Print the API document as JSON; needs no server and no database
    Openapi,
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

/// Where a server listens.
#[derive(Args, Debug)]
pub(crate) struct Bind {
    /// Address and port to listen on; port 0 leaves the choice to the system
    #[arg(short = 'b', long = "bind", value_name = "ADDR:PORT")]
    pub(crate) address: Option<String>,
}

/// Options of `worker`.
#[derive(Args, Debug)]
pub(crate) struct Worker {
    /// Route tasks to workers instead of running them; of all that are started, one leads and the others end with
    /// status 75, to be started again
    #[arg(long)]
    pub(crate) resource_manager: bool,
    /// What a resource manager does while another one leads: exit, wait, or wait so many SECONDS
    #[arg(long, value_name = "exit|wait|SECONDS", default_value = "exit")]
    pub(crate) standby: Standby,
    /// The worker's name, unique among those alive; %h stands for the host
    #[arg(short, long)]
    pub(crate) name: Option<String>,
    /// End when no task is left
    #[arg(long)]
    pub(crate) burst: bool,
    /// A file for the number of this process
    #[arg(long, value_name = "FILE")]
    pub(crate) pid: Option<PathBuf>,
}
