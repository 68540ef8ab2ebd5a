//! The way of every command to the database: waiting for it at the start, and the state of its schema.

use std::time::{Duration, Instant};

use anyhow::Context;
use entities::{Settings, db, settings};
use migration::Migrator;
use sea_orm::DatabaseConnection;
use sea_orm::sqlx::error::Error as SqlxError;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{ConnectOptions, Connection};

/// How long a start waits for a database that is not there yet.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one attempt to connect may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// SQLSTATEs of a server that is there but not ready: starting, stopping, or out of connections.
const NOT_YET: &[&str] = &["57P01", "57P02", "57P03", "53300"];

/// Waits until the database takes connections.
///
/// # Errors
/// At once if it refuses the login; after 30 seconds if it is not there.
pub(crate) async fn wait(settings: &Settings) -> anyhow::Result<()> {
    let address = settings::hide_passwords(&settings.database_url.0);
    let options: PgConnectOptions = settings
        .database_url
        .0
        .parse()
        .with_context(|| format!("DATABASES make no valid address: {address}"))?;
    let options = options.disable_statement_logging();
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(50);
    let mut told = false;
    loop {
        let attempt = PgConnection::connect_with(&options);
        let error = match tokio::time::timeout(ATTEMPT, attempt).await {
            Ok(Ok(connection)) => {
                // It was there to be tried; how it ends does not matter.
                let _ = connection.close().await;
                return Ok(());
            }
            Ok(Err(error)) if is_final(&error) => {
                let error = match error {
                    SqlxError::Database(error) => anyhow::anyhow!(error.message().to_owned()),
                    error => error.into(),
                };
                return Err(error).with_context(|| {
                    format!("the database refuses {address} (check DATABASES: USER, PASSWORD, NAME)")
                });
            }
            Ok(Err(error)) => anyhow::Error::from(error),
            Err(_) => anyhow::anyhow!("no answer within {} s", ATTEMPT.as_secs()),
        };
        if Instant::now() + pause > deadline {
            return Err(error).with_context(|| {
                format!(
                    "no database at {address} after {} s (is it running? check DATABASES)",
                    PATIENCE.as_secs()
                )
            });
        }
        if !told {
            tracing::warn!(%error, "no database at {address} yet, trying for {} s", PATIENCE.as_secs());
            told = true;
        }
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// Whether no patience helps: the server answered, and will answer the same again.
fn is_final(error: &SqlxError) -> bool {
    match error {
        SqlxError::Database(error) => error.code().is_none_or(|code| !NOT_YET.contains(&code.as_ref())),
        SqlxError::Configuration(_) | SqlxError::Tls(_) => true,
        _ => false,
    }
}

/// Waits for the database and opens a small pool for an administrative command.
pub(crate) async fn open(settings: &Settings) -> anyhow::Result<DatabaseConnection> {
    wait(settings).await?;
    db::connect(settings, "pulpcore").await.context("cannot connect to the database")
}

/// Checks that the schema is the one of this program.
///
/// # Errors
/// If it is behind or ahead, or has other functions; the message says what to do.
pub(crate) async fn check_schema(db: &DatabaseConnection, migrator: &Migrator) -> anyhow::Result<()> {
    match migrator.difference(db).await.context("the database's schema cannot be read")? {
        Some(difference) => Err(difference.into()),
        None => Ok(()),
    }
}
