//! Fault injection: breaks the product on purpose, so that tests can show that they would notice.
//!
//! Not the crate `fail`: its registry and macros would be in release builds unless every crate above passed a
//! feature on, and a fault here is one comparison that debug builds alone have.
//!
//! Only builds with debug assertions can be broken, by naming a breakage in `PULPCORE_FAULT`; in a release
//! build there is nothing to switch.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};

/// How long a breakage gives others to do what must not be done meanwhile.
const WINDOW: Duration = Duration::from_secs(2);

/// A way to break a promise. Each is named in the variable as here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A worker acknowledges an order before it claims the task.
    AcknowledgeBeforeEffect,
    /// The manager frees the resources of a task whose claim was refused, without a look at its row.
    FreeOnRefusal,
    /// A new leader reads the rows before it increments the epoch.
    LateEpoch,
    /// A leader whose lease is gone takes it again and goes on.
    RetakeLease,
    /// The manager never compares what it believes with the rows.
    NoSweep,
}

/// Whether the product is to be broken in this way.
#[cfg(debug_assertions)]
pub(crate) fn on(breakage: Fault) -> bool {
    static CHOSEN: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("PULPCORE_FAULT").ok());
    CHOSEN.as_ref().is_some_and(|chosen| *chosen == format!("{breakage:?}"))
}

/// Never: this build cannot be broken.
#[cfg(not(debug_assertions))]
pub(crate) const fn on(_: Fault) -> bool {
    false
}

/// What [`Fault::LateEpoch`] does after the rows are read: leaves time for claims of the epoch before, then
/// makes `epoch` the leader's.
pub(crate) async fn increment_late(db: &DatabaseConnection, epoch: i64) -> Result<(), DbErr> {
    tokio::time::sleep(WINDOW).await;
    let sql = "SELECT become_leader(gen_random_uuid(), 'resource-manager', '{}', $1)";
    db.execute_raw(entities::db::sql(sql, [(epoch - 1).into()])).await?;
    Ok(())
}
