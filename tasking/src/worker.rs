//! A worker: takes what the resource manager sends it, one task at a time.

use entities::Pulp;
use entities::settings::WorkerStyle;

use crate::{Shutdown, Tasks};

/// How a worker is started.
#[derive(Clone, Debug, Default)]
pub struct WorkerOptions {
    /// Its label and the name of its queue; `%h` becomes the name of the host. `<pid>@<host>` if not given (T32).
    pub name: Option<String>,
    /// Ends when no task is waiting (T64).
    pub burst: bool,
}

/// Works until `shutdown`, or in burst mode until no task waits.
///
/// # Errors
/// If the label belongs to a live worker, Redis or Postgres refuse the credentials, or a canceled task cannot be
/// stopped: then the process has to end, which ends the task.
pub async fn run(
    pulp: Pulp,
    _tasks: Tasks,
    _options: WorkerOptions,
    _shutdown: Shutdown,
) -> anyhow::Result<()> {
    anyhow::ensure!(pulp.settings.worker_style == WorkerStyle::Redis, crate::POSTGRES_STYLE);
    anyhow::bail!("Workers are not available in this version.")
}
