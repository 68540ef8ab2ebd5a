//! `pulpcore content`: the content app.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use entities::Settings;
use front::{Bind, Front};
use tasking::Tasks;
use tasking::process::ProcessKind;
use tokio_util::task::TaskTracker;

use crate::arguments::Serve;
use crate::plugins::Plugins;
use crate::server::{self, Server};
use crate::{descriptors, signals, start};

/// The port of 127.0.0.1 on which the content app listens if not told otherwise.
const PORT: u16 = 24816;

/// Serves until a signal.
pub(crate) async fn run(
    settings: Arc<Settings>,
    plugins: Plugins,
    options: Serve,
) -> anyhow::Result<ExitCode> {
    let stop = signals::server()?;
    let serve = async {
        let pulp = start::open_server(settings, plugins, "pulpcore-content").await?;
        let listeners = server::bind(&options.bind, Bind::local(PORT)).await?;
        let front = Front {
            connections: descriptors::connections(4096),
            header_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(60),
            grace: Duration::from_secs(60),
            trusted: options.forwarded_allow_ips,
            background: TaskTracker::new(),
        };
        let routes = content::routes(pulp.clone(), plugins.content_services()?, front.background.clone());
        let tasks = Tasks::default();
        Server { pulp, kind: ProcessKind::Content, tasks, front, routes, listeners }.run(&stop).await
    };
    server::until(&stop, serve).await
}
