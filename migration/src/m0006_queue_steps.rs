//! The queue in rows, moved on by one caller for all who want it, and past dead rows.

use crate::SqlMigration;

pub(crate) const STEP: SqlMigration =
    SqlMigration { name: "m0006_queue_steps", sql: include_str!("sql/m0006_queue_steps.sql") };
