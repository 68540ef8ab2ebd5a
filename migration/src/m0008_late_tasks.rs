//! Tasks that nobody comes for, told from those that somebody is about to claim.

use crate::SqlMigration;

pub(crate) const STEP: SqlMigration =
    SqlMigration { name: "m0008_late_tasks", sql: include_str!("sql/m0008_late_tasks.sql") };
