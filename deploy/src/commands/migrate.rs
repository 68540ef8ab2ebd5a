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
    let before = database::applied(&pool).await?;
    if let Some(newer) =
        before.iter().find(|step| !migrator.migrations().iter().any(|own| own.name() == *step))
    {
        bail!("the database's schema is newer than this program, it has {newer} (run the newer pulpcore)");
    }
    migrator
        .up(&pool, None)
        .await
        .context("the schema could not be brought up to date; the failed step left nothing")?;
    let after = database::applied(&pool).await?;
    let new: Vec<&str> = after.iter().filter(|step| !before.contains(step)).map(String::as_str).collect();
    match new.as_slice() {
        [] => println!("the schema is up to date"),
        steps => println!("applied {}", steps.join(", ")),
    }
    session.close().await?;
    Ok(ExitCode::SUCCESS)
}
