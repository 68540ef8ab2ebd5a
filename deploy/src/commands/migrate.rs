//! `pulpcore migrate`: brings the schema up to date.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use entities::{Settings, db};
use migration::MigratorTraitSelf;
use sea_orm::sqlx::Connection;
use sea_orm::sqlx::postgres::PgConnection;

use crate::database;

/// Applies what is missing. Runs of it at the same time wait for each other.
pub(crate) async fn run(settings: Arc<Settings>) -> anyhow::Result<ExitCode> {
    database::wait(&settings).await?;
    // A session of its own, since the lock must live across the transactions of all steps.
    let mut session = PgConnection::connect(&settings.database_url.0).await?;
    sea_orm::sqlx::query("SELECT pg_advisory_lock($1, 0)")
        .bind(db::lock::MIGRATION)
        .execute(&mut session)
        .await?;
    let pool = db::connect(&settings, "pulpcore migrate").await?;
    let migrator = crate::plugins::migrator();
    let steps: Vec<String> = migrator.migrations().iter().map(|step| step.name().to_owned()).collect();
    let applied = database::applied(&pool).await?;
    if let Some(newer) = applied.iter().find(|step| !steps.contains(step)) {
        bail!("the database's schema is newer than this program, it has {newer} (run the newer pulpcore)");
    }
    migrator
        .up(&pool, None)
        .await
        .context("the schema could not be brought up to date; the failed step left nothing")?;
    let new: Vec<String> = steps.into_iter().filter(|step| !applied.contains(step)).collect();
    match new.as_slice() {
        [] => super::print("the schema is up to date")?,
        new => super::print(&format!("applied {}", new.join(", ")))?,
    }
    session.close().await?;
    Ok(ExitCode::SUCCESS)
}
