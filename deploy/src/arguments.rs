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
    /// Queues, workers and the leader
    #[command(subcommand)]
    Queue(Queue),
    /// Tasks that wait
    #[command(subcommand)]
    Tasks(Tasks),
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

/// What to do about queues.
#[derive(Debug, Subcommand)]
pub(crate) enum Queue {
    /// Show queues and their depths, workers and what they run, the leader and its lease
    Info(QueueInfo),
}

/// What to do about tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum Tasks {
    /// Say why each unfinished task is not done, and what is wrong with the installation
    ///
    /// Looks only, unless --repair is given. What is wrong is looked at twice within two seconds, so that what is just
    /// under way is not told. The exit status is 0 if nothing is wrong, 1 if something needs a repair or a person (or
    /// Postgres does not answer), 2 if the command line is wrong.
    Doctor(TasksDoctor),
}

/// Options of `queue info`.
#[derive(Args, Debug)]
pub(crate) struct QueueInfo {
    /// Show it again and again, every SECONDS
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1", value_parser = pause)]
    pub(crate) watch: Option<f64>,
    /// Print JSON; with --watch a line each time
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `tasks doctor`.
#[derive(Args, Debug)]
pub(crate) struct TasksDoctor {
    /// Mend what is safe to mend: tell the resource manager of tasks that nobody runs, delete the queues of workers
    /// that are gone and a lease that never ends, end tasks whose worker is gone, drop messages that could not be
    /// read. Nothing that a live process owns is touched, and everything that is done is printed
    #[arg(long)]
    pub(crate) repair: bool,
    /// How many tasks to show, the oldest first; all of them are counted
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn pause(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0.1 to 3600".to_owned()),
    }
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
