//! `pulpcore worker`: runs tasks, or with `--resource-manager` routes them to those that do.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use entities::Settings;
use tasking::Shutdown;
use tasking::resource_manager::{self, ManagerOptions};
use tasking::worker::{self, WorkerOptions};

use crate::arguments::Worker;
use crate::plugins::Plugins;
use crate::{signals, start};

/// Works until a signal, or until a manager finds that another one leads.
pub(crate) async fn run(
    settings: Arc<Settings>,
    plugins: Plugins,
    options: Worker,
) -> anyhow::Result<ExitCode> {
    let shutdown = signals::worker(settings.task_grace_interval)?;
    let _pid = options.pid.clone().map(PidFile::write).transpose()?;
    let role = if options.resource_manager { "pulpcore-resource-manager" } else { "pulpcore-worker" };
    let pulp = tokio::select! {
        pulp = start::open(settings, plugins, role) => pulp?,
        () = shutdown.requested() => return Ok(ExitCode::SUCCESS),
    };
    if options.resource_manager {
        return lead(pulp, ManagerOptions { standby: options.standby }, shutdown).await;
    }
    let options = WorkerOptions { name: options.name, burst: options.burst };
    worker::run(pulp, plugins.tasks(), options, shutdown).await?;
    Ok(ExitCode::SUCCESS)
}

async fn lead(pulp: entities::Pulp, options: ManagerOptions, shutdown: Shutdown) -> anyhow::Result<ExitCode> {
    let outcome = resource_manager::run(pulp, options, shutdown).await?;
    Ok(ExitCode::from(outcome.exit_status()))
}

/// The file with this process's number, for as long as it runs.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: PathBuf) -> anyhow::Result<PidFile> {
        std::fs::write(&path, format!("{}\n", std::process::id()))
            .with_context(|| format!("cannot write the file of --pid {}", path.display()))?;
        Ok(PidFile(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Somebody else may have removed it already.
        let _ = std::fs::remove_file(&self.0);
    }
}
