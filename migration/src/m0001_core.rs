//! Domains, users, content, repositories and what is served from them.

use crate::SqlMigration;

pub(crate) const STEP: SqlMigration =
    SqlMigration { name: "m0001_core", sql: include_str!("sql/m0001_core.sql") };
