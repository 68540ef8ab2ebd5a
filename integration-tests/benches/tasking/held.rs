//! A transaction that somebody holds open, so that nothing can be vacuumed that has died since.

use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};

use crate::installation::{Installation, origin};
use crate::load;

/// Tasks per second until it is old.
const PACE: u64 = 100;

/// Ends with the value.
pub(crate) struct Held {
    session: PgConnection,
    since: Instant,
}

impl Held {
    /// Opens one, which has a snapshot and a number, and lets tasks come and go until it is so old.
    pub(crate) async fn open(installation: &Installation, age: Duration) -> anyhow::Result<Held> {
        let mut session = installation.servers.database().await;
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        session.execute("SELECT pg_current_xact_id(), count(*) FROM task").await?;
        let since = Instant::now();
        let mut pace = tokio::time::interval(Duration::from_secs(1) / PACE as u32);
        while since.elapsed() < age {
            pace.tick().await;
            installation.dispatcher.dispatch(&load::task(), origin()).await?;
        }
        Ok(Held { session, since })
    }

    /// How old it is.
    ///
    /// # Errors
    /// If it is not open any more.
    pub(crate) async fn age(&mut self) -> anyhow::Result<Duration> {
        let open = sqlx::query_scalar("SELECT pg_current_xact_id_if_assigned() IS NOT NULL");
        let open: bool = open.fetch_one(&mut self.session).await?;
        anyhow::ensure!(open, "the transaction is not open any more");
        Ok(self.since.elapsed())
    }

    /// Ends it.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        Ok(self.session.close().await?)
    }
}
