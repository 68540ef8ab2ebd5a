//! Tasks, their progress, and the processes that run them.

use crate::SqlMigration;

pub(crate) const STEP: SqlMigration =
    SqlMigration { name: "m0002_tasking", sql: include_str!("sql/m0002_tasking.sql") };
