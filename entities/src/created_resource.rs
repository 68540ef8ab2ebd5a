//! What a task made (T09).

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::scope::Part;

/// One row of `created_resource`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "created_resource")]
pub struct Model {
    /// The task.
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: Uuid,
    /// Order of creation within the task.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i32,
    /// The object, while it exists.
    pub object_id: Option<Uuid>,
    /// Its PRN, while it exists.
    pub prn: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Part for Entity {
    fn whole() -> Column {
        Column::TaskId
    }
}
