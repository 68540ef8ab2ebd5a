//! `pulpcore api`: the REST API.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use entities::Settings;
use front::{Bind, Front};
use tasking::process::ProcessKind;
use tokio_util::task::TaskTracker;

use crate::arguments::Serve;
use crate::plugins::Plugins;
use crate::server::{self, Server};
use crate::{descriptors, signals, start};

/// The port of 127.0.0.1 on which the API listens if not told otherwise.
const PORT: u16 = 24817;

/// Serves until a signal.
pub(crate) async fn run(
    settings: Arc<Settings>,
    plugins: Plugins,
    options: Serve,
) -> anyhow::Result<ExitCode> {
    let stop = signals::server()?;
    let serve = async {
        let pulp = start::open_server(settings, plugins, "pulpcore-api").await?;
        if let Err(error) = tasking::check_credentials(&pulp.settings).await {
            // Requests are served, and tasks accepted, as while Redis is away.
            tracing::warn!(error = format!("{error:#}"), "no task will run until Redis is mended");
        }
        let listeners = server::bind(&options.bind, Bind::local(PORT)).await?;
        let front = Front {
            connections: descriptors::connections(1024),
            header_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(60),
            grace: Duration::from_secs(30),
            trusted: options.forwarded_allow_ips,
            background: TaskTracker::new(),
        };
        let tasks = plugins.tasks();
        let routes = api::routes(pulp.clone(), &plugins.components(), &tasks)?;
        Server { pulp, kind: ProcessKind::Api, tasks, front, routes, listeners }.run(&stop).await
    };
    server::until(&stop, serve).await
}
