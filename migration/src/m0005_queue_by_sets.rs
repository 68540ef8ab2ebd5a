//! The queue in rows, moved on by sets of tasks.

use crate::SqlMigration;

pub(crate) const STEP: SqlMigration =
    SqlMigration { name: "m0005_queue_by_sets", sql: include_str!("sql/m0005_queue_by_sets.sql") };
