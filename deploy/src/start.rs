//! How a service starts: database there, schema right, everything opened.

use std::sync::Arc;

use entities::{Pulp, Settings};

use crate::database;
use crate::plugins::Plugins;

/// Opens everything that a process without requests holds. `role` names its sessions in `pg_stat_activity`.
///
/// # Errors
/// If the database is not there in time or refuses, its schema is not the one of this program, or the
/// artifact store belongs to another installation.
pub(crate) async fn open(settings: Arc<Settings>, plugins: Plugins, role: &str) -> anyhow::Result<Pulp> {
    database::wait(&settings).await?;
    checked(Pulp::open(settings, plugins.kinds(), role).await?, plugins).await
}

/// As [`open`], for a server: what a request asks of the database has limits of time.
///
/// # Errors
/// As [`open`].
pub(crate) async fn open_server(
    settings: Arc<Settings>,
    plugins: Plugins,
    role: &str,
) -> anyhow::Result<Pulp> {
    database::wait(&settings).await?;
    checked(Pulp::open_for_requests(settings, plugins.kinds(), role).await?, plugins).await
}

async fn checked(pulp: Pulp, plugins: Plugins) -> anyhow::Result<Pulp> {
    database::check_schema(&pulp.db, &plugins.migrator()).await?;
    pulp.storage.claim(&pulp.db).await?;
    Ok(pulp)
}
