//! The `pulpcore` command with a list of plugins: every role of an installation and its administration.
//!
//! An executable with other plugins is a crate of its own with this one `main`:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     deploy::main(&[&plugin_file::File])
//! }
//! ```

mod arguments;
mod commands;
mod complaint;
mod database;
mod descriptors;
mod dev;
mod logging;
mod once;
mod plugins;
mod roles;
mod server;
mod services;
mod signals;
mod start;
mod supervise;
mod table;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use entities::Settings;
use plugin::Plugin;

use arguments::{Arguments, Command, Queue, Tasks};
use plugins::Plugins;

/// The allocator of the C library takes a quarter of the time of a list: rows and answers are many small
/// values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Does what the command line says, with these plugins, and returns the status to exit with.
///
/// Errors are printed to the standard error output.
pub fn main(plugins: &'static [&'static dyn Plugin]) -> ExitCode {
    let (line, ignored) = roles::translate(std::env::args_os());
    let arguments = Arguments::parse_from(line);
    match run(Plugins::new(plugins), arguments.command, &ignored) {
        Ok(status) => status,
        Err(error) => {
            complaint::print(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(plugins: Plugins, command: Command, ignored: &[String]) -> anyhow::Result<ExitCode> {
    // The tree has one TLS provider; a second call, which is what the error would tell, cannot happen here.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match command {
        Command::Api(options) => {
            with_settings(ignored, |settings| commands::api::run(settings, plugins, options))
        }
        Command::Content(options) => {
            with_settings(ignored, |settings| commands::content::run(settings, plugins, options))
        }
        Command::Worker(options) => {
            with_settings(ignored, |settings| commands::worker::run(settings, plugins, options))
        }
        Command::Openapi => commands::openapi::run(plugins),
        Command::Diffsettings => commands::diffsettings::run(),
        Command::Migrate => with_settings(ignored, |settings| commands::migrate::run(settings, plugins)),
        Command::ResetAdminPassword(options) => {
            with_settings(ignored, |settings| commands::reset_admin_password::run(settings, plugins, options))
        }
        Command::Queue(Queue::Info(options)) => {
            with_settings(ignored, |settings| commands::queue_info::run(settings, options))
        }
        Command::Tasks(Tasks::Doctor(options)) => {
            with_settings(ignored, |settings| commands::tasks_doctor::run(settings, plugins, options))
        }
        Command::Dev(options) => block_on(dev::run(options)).map(|()| ExitCode::SUCCESS),
        Command::Services(options) => block_on(services::command::run(options)).map(|()| ExitCode::SUCCESS),
    }
}

/// Loads the settings, starts logging, and runs a command.
fn with_settings<F>(ignored: &[String], command: impl FnOnce(Arc<Settings>) -> F) -> anyhow::Result<ExitCode>
where
    F: Future<Output = anyhow::Result<ExitCode>>,
{
    let loaded = entities::settings::load()?;
    let _guard = logging::start(&loaded.settings)?;
    for warning in &loaded.warnings {
        tracing::warn!("settings: {warning}");
    }
    if !ignored.is_empty() {
        tracing::warn!("options without effect here: {}", ignored.join(", "));
    }
    block_on(command(Arc::new(loaded.settings)))
}

fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    descriptors::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(future);
    // Blocking work that is left must not keep the process.
    runtime.shutdown_background();
    result
}
