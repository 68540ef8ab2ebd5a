//! Tasks that are dispatched again and again.

use crate::SqlMigration;

pub(crate) const STEP: SqlMigration =
    SqlMigration { name: "m0004_task_schedules", sql: include_str!("sql/m0004_task_schedules.sql") };
