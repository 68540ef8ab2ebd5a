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
    Api(Serve),
    /// Serve content
    Content(Serve),
    /// Run tasks
    Worker(Worker),
    /// Queues, workers and the leader
    #[command(subcommand)]
    Queue(Queue),
    /// Unfinished tasks
    #[command(subcommand)]
    Tasks(Tasks),
    /// Bring the database's schema up to date
    Migrate,
    /// Set the password of the user `admin`, creating the user if necessary
    ResetAdminPassword(ResetAdminPassword),
    /// Print the OpenAPI document as JSON; requires no server and no database
    Openapi,
    /// Print every setting, its value and its source
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
    /// Explain why each unfinished task is not done, and find problems of the installation
    ///
    /// Changes nothing unless --repair is given. Problems are checked twice within two seconds, so that what
    /// is in progress is not reported. The exit status is 0 without problems, 1 with problems (or if Postgres
    /// does not answer), 2 if the command line is invalid.
    Doctor(TasksDoctor),
}

/// Options of `queue info`.
#[derive(Args, Debug)]
pub(crate) struct QueueInfo {
    /// Repeat every SECONDS
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1", value_parser = pause)]
    pub(crate) watch: Option<f64>,
    /// Print JSON; with --watch one line per repetition
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `tasks doctor`.
#[derive(Args, Debug)]
pub(crate) struct TasksDoctor {
    /// Repair what is safe to repair: notify the resource manager of tasks that no worker runs, delete the
    /// queues of missing workers and a lease without expiry, fail tasks whose worker is missing, drop
    /// messages that could not be decoded. Nothing that a live process owns is touched, and every repair is
    /// printed
    #[arg(long)]
    pub(crate) repair: bool,
    /// How many tasks to show, oldest first; all are counted
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

/// Options of `reset-admin-password`; without one the password is prompted for, or read from a pipe.
#[derive(Args, Debug)]
pub(crate) struct ResetAdminPassword {
    /// The new password; visible to other users in the list of processes
    #[arg(short, long)]
    pub(crate) password: Option<String>,
    /// Generate a random password and print it
    #[arg(long, conflicts_with = "password")]
    pub(crate) random: bool,
}

/// What `--bind` takes.
const BIND: &str = "Where to listen; several can be given: ADDR:PORT, PORT (of 127.0.0.1), :PORT or *:PORT (of all \
                    IPv4 addresses), [::]:PORT (of IPv6, too), unix:PATH. The system chooses if the port is 0";

/// Where a server listens, and which proxies it believes.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    #[arg(short, long, value_name = "ADDR:PORT", help = BIND)]
    pub(crate) bind: Vec<front::Bind>,
    /// The proxies whose Forwarded and X-Forwarded-For, -Proto and -Host are believed: addresses and networks
    /// between commas, or * for all; clients of unix sockets always are
    #[arg(long, value_name = "LIST", env = "FORWARDED_ALLOW_IPS", default_value = front::Trusted::DEFAULT)]
    pub(crate) forwarded_allow_ips: front::Trusted,
}

/// Options of `worker`.
#[derive(Args, Debug)]
pub(crate) struct Worker {
    /// Route tasks to workers instead of running them; of several resource managers one leads and the others
    /// exit with status 75, to be restarted
    #[arg(long)]
    pub(crate) resource_manager: bool,
    /// While another resource manager leads: exit, wait, or wait for at most SECONDS
    #[arg(long, value_name = "exit|wait|SECONDS", default_value = "exit")]
    pub(crate) standby: Standby,
    /// The worker's name, unique among live workers; %h is replaced by the host name
    #[arg(short, long)]
    pub(crate) name: Option<String>,
    /// Exit when no task is left
    #[arg(long)]
    pub(crate) burst: bool,
    /// Write the process id to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) pid: Option<PathBuf>,
}
