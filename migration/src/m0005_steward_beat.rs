//! The steward's own beat.

use crate::SqlMigration;

pub(crate) const STEP: SqlMigration =
    SqlMigration { name: "m0005_steward_beat", sql: include_str!("sql/m0005_steward_beat.sql") };
