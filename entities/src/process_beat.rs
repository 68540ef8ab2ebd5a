//! Heartbeats, apart from the processes because they are written all the time.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One row of `process_beat`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "process_beat")]
pub struct Model {
    /// The process.
    #[sea_orm(primary_key, auto_increment = false)]
    pub process_id: Uuid,
    /// Grows with every beat; an observer looks at changes of it, not at clocks.
    pub counter: i64,
    /// When the last beat was written.
    pub last_heartbeat: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
