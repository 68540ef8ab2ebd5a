//! What the leader does beside routing, or without one the coordinator of the workers: deletes files of
//! artifacts that are gone, and the rows of processes that are long gone; and dispatches what schedules say.
//! Another one doing the same at the same time does no harm.

use std::time::Duration;

use entities::{Pulp, db, tombstone};
use sea_orm::ConnectionTrait;

use crate::queue::schedules;

/// How often.
const INTERVAL: Duration = Duration::from_secs(60);

/// How old unfinished bytes are whose writer must be dead.
const ABANDONED: chrono::Duration = chrono::Duration::days(1);

/// Forgets processes that went a week ago, and have no unfinished task.
const FORGET: &str = "DELETE FROM process WHERE pulp_id IN (
                          SELECT pulp_id FROM process WHERE gone_at < now() - interval '7 days'
                            AND NOT EXISTS (SELECT 1 FROM task WHERE worker_id = process.pulp_id
                                            AND finished_at IS NULL) LIMIT 1000)";

/// Works until it is dropped.
pub(crate) async fn run(pulp: Pulp) {
    tokio::join!(schedules::run(pulp.clone()), clean(pulp));
}

async fn clean(pulp: Pulp) {
    let grace = chrono::Duration::from_std(pulp.settings.worker_ttl * 2).unwrap_or(ABANDONED);
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = pulp.db.execute_raw(db::sql(FORGET, [])).await {
            tracing::warn!(%error, "cannot delete the rows of processes that are long gone; will be retried");
        }
        match tombstone::collect(&pulp, grace).await {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "deleted the files of artifacts that are gone"),
            Err(error) => {
                tracing::warn!(%error, "cannot delete the files of artifacts that are gone; will be retried")
            }
        }
        if !pulp.settings.tmpfile_protection_time.is_zero() {
            continue;
        }
        match pulp.storage.sweep_staging(ABANDONED).await {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "deleted unfinished files of dead writers"),
            Err(error) => {
                tracing::warn!(%error, "cannot delete unfinished files of dead writers; will be retried")
            }
        }
    }
}
