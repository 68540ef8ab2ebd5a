//! The claims of workers, found among dead rows too.

use crate::SqlMigration;

pub(crate) const STEP: SqlMigration =
    SqlMigration { name: "m0007_claims", sql: include_str!("sql/m0007_claims.sql") };
