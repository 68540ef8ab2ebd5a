//! `pulpcore migrate`: brings the schema up to date.

use std::process::ExitCode;
use std::sync::Arc;

use entities::Settings;
use entities::secret::Keyring;
use migration::Applied;

use crate::database;
use crate::plugins::Plugins;

/// Applies what is missing. Runs of it at the same time wait for each other.
pub(crate) async fn run(settings: Arc<Settings>, plugins: Plugins) -> anyhow::Result<ExitCode> {
    // Whoever migrates wants to start the services next.
    Keyring::load(&settings.db_encryption_key)?;
    let db = database::open(&settings).await?;
    let applied = plugins.migrator().apply(&db).await?;
    super::print(&told(&applied))?;
    Ok(ExitCode::SUCCESS)
}

/// What was applied, a line for each kind of thing.
fn told(applied: &Applied) -> String {
    let mut lines = Vec::new();
    if !applied.steps.is_empty() {
        lines.push(format!("applied {}", applied.steps.join(", ")));
    }
    match applied.functions.as_slice() {
        [] => {}
        [_, _, _, _, _, _, _, _, _, _, ..] => {
            lines.push(format!("applied {} functions", applied.functions.len()))
        }
        few => lines.push(format!("applied the functions {}", few.join(", "))),
    }
    if !applied.dropped.is_empty() {
        lines.push(format!("dropped the functions {}", applied.dropped.join(", ")));
    }
    if lines.is_empty() { "the schema is up to date".to_owned() } else { lines.join("\n") }
}
