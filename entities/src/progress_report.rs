//! Progress of a task.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::scope::Part;

/// One row of `progress_report`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "progress_report")]
pub struct Model {
    /// Identity of the row: a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: DateTimeUtc,
    /// The task.
    pub task_id: Uuid,
    /// For people.
    pub message: String,
    /// For programs, such as `sync.parsing.metadata` (T10).
    pub code: String,
    /// A task state's name.
    pub state: String,
    /// How many there are, if known.
    pub total: Option<i64>,
    /// How many are done.
    pub done: i64,
    /// Details.
    pub suffix: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Part for Entity {
    fn whole() -> Column {
        Column::TaskId
    }
}
