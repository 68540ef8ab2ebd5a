//! `pulpcore api`: the REST API.

use std::process::ExitCode;
use std::sync::Arc;

use entities::Settings;

use crate::arguments::Bind;
use crate::plugins::Plugins;
use crate::{signals, start};

/// Where the API listens if not told otherwise.
const ADDRESS: &str = "127.0.0.1:24817";

/// Serves until a signal.
pub(crate) async fn run(
    settings: Arc<Settings>,
    plugins: Plugins,
    options: Bind,
) -> anyhow::Result<ExitCode> {
    let stop = signals::server()?;
    let serve = async {
        let pulp = start::open(settings, plugins, "pulpcore-api").await?;
        tasking::check_credentials(&pulp.settings).await?;
        let listener = start::bind(options.address.as_deref().unwrap_or(ADDRESS)).await?;
        api::serve(pulp, &plugins.components(), &plugins.tasks(), listener, stop.shutdown.clone()).await
    };
    start::until(&stop, serve).await
}
