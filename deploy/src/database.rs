//! The way of every command to the database: waiting for it at the start, and the state of its schema.

use std::time::{Duration, Instant};

use anyhow::Context;
use backon::{ExponentialBuilder, Retryable};
use entities::db::{self, Passing};
use entities::{Settings, settings};
use migration::Migrator;
use sea_orm::DatabaseConnection;
use sea_orm::sqlx::error::Error as SqlxError;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{ConnectOptions, Connection};

/// How long a start waits for a database that is not there yet.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one attempt to connect may take.
const ATTEMPT: Duration = Duration::from_secs(10);

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
    let attempt = || async {
        let attempt = tokio::time::timeout(ATTEMPT, PgConnection::connect_with(&options)).await;
        let slow = |_| SqlxError::Io(std::io::ErrorKind::TimedOut.into());
        // It was there to be tried; how it ends does not matter.
        let _ = attempt.map_err(slow).flatten()?.close().await;
        Ok(())
    };
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(1))
        .without_max_times()
        .with_jitter();
    let (began, mut told) = (Instant::now(), false);
    let is_early = |error: &SqlxError| !is_final(error) && began.elapsed() < PATIENCE;
    let waited = attempt.retry(pauses).when(is_early).notify(|error, _| {
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(%error, "no database at {address} yet, trying for {} s", PATIENCE.as_secs());
        }
    });
    let Err(error) = waited.await else { return Ok(()) };
    let what = match is_final(&error) {
        true => format!("the database refuses {address} (check DATABASES: USER, PASSWORD, NAME)"),
        false => {
            let waited = PATIENCE.as_secs();
            format!("no database at {address} after {waited} s (is it running? check DATABASES)")
        }
    };
    let error = match error {
        SqlxError::Database(error) => anyhow::anyhow!(error.message().to_owned()),
        error => error.into(),
    };
    Err(error.context(what))
}

/// Whether waiting does not help: the server answered, and will answer the same again.
fn is_final(error: &SqlxError) -> bool {
    match error {
        // A pooler refuses a login with a code of the class of broken connections.
        SqlxError::Database(error) => error
            .code()
            .is_none_or(|code| code.starts_with("08") || Passing::of(&code) != Some(Passing::Away)),
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
