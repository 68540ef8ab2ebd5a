//! `pulpcore content`: the content app.

use std::process::ExitCode;
use std::sync::Arc;

use entities::Settings;

use crate::arguments::Bind;
use crate::plugins::Plugins;
use crate::{signals, start};

/// Where the content app listens if not told otherwise.
const ADDRESS: &str = "127.0.0.1:24816";

/// Serves until a signal.
pub(crate) async fn run(
    settings: Arc<Settings>,
    plugins: Plugins,
    options: Bind,
) -> anyhow::Result<ExitCode> {
    let stop = signals::server()?;
    let serve = async {
        let pulp = start::open(settings, plugins, "pulpcore-content").await?;
        let listener = start::bind(options.address.as_deref().unwrap_or(ADDRESS)).await?;
        content::serve(pulp, plugins.content_services(), listener, stop.graceful.clone()).await
    };
    start::until(&stop, serve).await
}
