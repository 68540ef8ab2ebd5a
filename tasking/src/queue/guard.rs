//! The guard between the styles of tasking: workers of two styles are never alive together.
//!
//! The database refuses the registration of a worker while one of the other style is alive, and hands the
//! waiting tasks over when the first one of a style registers. A killed process counts as alive until it is
//! reaped: the newcomer does it.

use std::collections::HashMap;
use std::time::Duration;

use entities::{Error, db};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::time::Instant;
use uuid::Uuid;

use crate::queue::heartbeat::beat_interval;
use crate::queue::rows;
use crate::queue::style::Style;

/// The SQLSTATE with which the database refuses a worker while workers of the other style are alive.
const OTHER_STYLE: &str = "PT001";

/// The workers and managers of the other style that are alive, with their heartbeats.
const OTHERS: &str = "SELECT pulp_id, name, coalesce(counter, 0) AS counter
                      FROM process LEFT JOIN process_beat ON process_id = pulp_id
                      WHERE gone_at IS NULL AND kind IN ('worker', 'resource-manager') AND style <> $1";

/// Reaps a process whose heartbeat has not advanced. What it ran is failed by the next sweep.
const REAP: &str = "SELECT declare_missing($1, $2, NULL)";

/// Whether a registration was refused because of the style.
pub(crate) fn is_refusal(error: &DbErr) -> bool {
    db::code(error).as_deref() == Some(OTHER_STYLE)
}

/// Reaps the workers and managers of the other style, if their heartbeats stand still for `ttl`.
///
/// # Errors
/// [`Error::Conflict`] if one of them is seen to be alive.
pub(crate) async fn make_way(db: &DatabaseConnection, style: Style, ttl: Duration) -> anyhow::Result<()> {
    let mut first: Option<HashMap<Uuid, i64>> = None;
    let since = Instant::now();
    loop {
        let mut present = HashMap::new();
        let others: Vec<(Uuid, String, i64)> =
            rows::tuples(db, db::sql(OTHERS, [style.name().into()])).await?;
        for (id, label, counter) in others {
            if first.as_ref().is_some_and(|first| first.get(&id) != Some(&counter)) {
                let conflict = format!(
                    "{label} is running in the other style of tasking (USE_NEW_WORKER_STYLE): its heartbeat advances. \
                     Stop all workers and resource managers of that style first."
                );
                return Err(Error::Conflict(conflict).into());
            }
            present.insert(id, counter);
        }
        if present.is_empty() {
            return Ok(());
        }
        if since.elapsed() >= ttl {
            for (process, counter) in present {
                db.execute_raw(db::sql(REAP, [process.into(), counter.into()])).await?;
            }
            return Ok(());
        }
        first.get_or_insert(present);
        tokio::time::sleep(beat_interval(ttl)).await;
    }
}
