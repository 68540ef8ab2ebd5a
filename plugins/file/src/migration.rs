//! The plugin's tables.

use migration::SqlMigration;

pub(crate) const STEP: SqlMigration = SqlMigration { name: "file_m0001", sql: include_str!("sql/m0001.sql") };
