//! The queue in rows: tasking without Redis, and the guard that keeps the two styles apart.

use crate::SqlMigration;

pub(crate) const STEP: SqlMigration =
    SqlMigration { name: "m0003_postgres_tasking", sql: include_str!("sql/m0003_postgres_tasking.sql") };
