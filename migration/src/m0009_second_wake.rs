//! A look that wakes nobody for what somebody is on the way to.

use crate::SqlMigration;

pub(crate) const STEP: SqlMigration =
    SqlMigration { name: "m0009_second_wake", sql: include_str!("sql/m0009_second_wake.sql") };
