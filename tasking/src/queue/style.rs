//! The guard between the styles of tasking: workers of two styles are never alive together.
//!
//! The database refuses the registration of a worker while one of the other style lives, and hands the waiting tasks
//! over when the first one of a style comes. What is killed counts as alive until somebody gives it up: the newcomer.

use std::collections::HashMap;
use std::time::Duration;

use entities::settings::WorkerStyle;
use entities::{Error, db};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::time::Instant;
use uuid::Uuid;

use crate::queue::process::beat_interval;

/// What the database answers to a worker of another style than those that live.
const OTHER_STYLE: &str = "PT001";

/// The name in the database.
pub(crate) fn name(style: WorkerStyle) -> &'static str {
    match style {
        WorkerStyle::Redis => "redis",
        WorkerStyle::Postgres => "postgres",
    }
}

/// Whether a registration was refused because of the style.
pub(crate) fn is_refusal(error: &DbErr) -> bool {
    db::code(error).as_deref() == Some(OTHER_STYLE)
}

/// Gives up the workers and managers of the other style, if they keep silent for `ttl`.
///
/// # Errors
/// [`Error::Conflict`] if one of them is seen to be alive.
pub(crate) async fn make_way(
    db: &DatabaseConnection,
    style: WorkerStyle,
    ttl: Duration,
) -> anyhow::Result<()> {
    let sql = "SELECT pulp_id, name, coalesce(counter, 0) AS counter
               FROM process LEFT JOIN process_beat ON process_id = pulp_id
               WHERE gone_at IS NULL AND kind IN ('worker', 'resource-manager') AND style <> $1";
    let mut first: Option<HashMap<Uuid, i64>> = None;
    let since = Instant::now();
    loop {
        let mut present = HashMap::new();
        for row in db.query_all_raw(db::sql(sql, [name(style).into()])).await? {
            let (id, counter): (Uuid, i64) = (row.try_get("", "pulp_id")?, row.try_get("", "counter")?);
            if first.as_ref().is_some_and(|first| first.get(&id) != Some(&counter)) {
                let label: String = row.try_get("", "name")?;
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
                let sql = "SELECT declare_missing($1, $2, NULL)";
                db.execute_raw(db::sql(sql, [process.into(), counter.into()])).await?;
            }
            return Ok(());
        }
        first.get_or_insert(present);
        tokio::time::sleep(beat_interval(ttl)).await;
    }
}
