//! Schedules: tasks that are dispatched again and again without anybody asking for them (T67).

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::scope::Visible;

/// One row of `task_schedule`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "task_schedule")]
pub struct Model {
    /// Identity of the row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: DateTimeUtc,
    /// When the row last changed.
    pub pulp_last_updated: DateTimeUtc,
    /// The domain in which its tasks work.
    pub pulp_domain_id: Uuid,
    /// Unique in the domain.
    pub name: String,
    /// Dotted name of what its tasks run (T03).
    pub task_name: String,
    /// The arguments of its tasks.
    #[sea_orm(column_type = "JsonBinary")]
    pub args: Json,
    /// PRNs that its tasks need for themselves (T05).
    pub exclusive_resources: Vec<String>,
    /// PRNs that its tasks share (T06), but for the domain's.
    pub shared_resources: Vec<String>,
    /// Microseconds from one dispatch to the next; none if there is only one.
    pub dispatch_interval: Option<i64>,
    /// When the next task is due; never, if there is none.
    pub next_dispatch: Option<DateTimeUtc>,
    /// The last task, unless it was deleted.
    pub last_task_id: Option<Uuid>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn domain() -> Option<Column> {
        Some(Column::PulpDomainId)
    }
}
