//! Tasks: the work of Pulp, one row each from dispatch to its end.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::scope::Visible;

/// One row of `task`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "task")]
pub struct Model {
    /// Identity of the row: a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// Order of dispatch.
    pub seq: i64,
    /// When the row was made.
    pub pulp_created: DateTimeUtc,
    /// When the row last changed.
    pub pulp_last_updated: DateTimeUtc,
    /// The domain the object belongs to.
    pub pulp_domain_id: Uuid,
    /// Where in its life the task is (T01).
    pub state: TaskState,
    /// Dotted name of what it runs (T03).
    pub name: String,
    /// Correlation id of the request that asked for it (R33).
    pub logging_cid: String,
    /// The task's arguments: the fields of its struct.
    #[sea_orm(column_type = "JsonBinary")]
    pub args: Json,
    /// PRNs nobody else may use meanwhile (T05).
    pub exclusive_resources: Vec<String>,
    /// PRNs nobody else may use exclusively meanwhile (T06).
    pub shared_resources: Vec<String>,
    /// When nothing stood in its way any more.
    pub unblocked_at: Option<DateTimeUtc>,
    /// When a worker claimed it.
    pub started_at: Option<DateTimeUtc>,
    /// When it became final.
    pub finished_at: Option<DateTimeUtc>,
    /// Why it failed: `{"description", "traceback"}` or `{"reason"}` (T04).
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub error: Option<Json>,
    /// What it answered, if anything.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub result: Option<Json>,
    /// The process that claimed it.
    pub worker_id: Option<Uuid>,
    /// Drawn by the claim; fences every write of the task.
    pub claim_token: Option<Uuid>,
    /// The task that dispatched it (T12).
    pub parent_task_id: Option<Uuid>,
    /// Its group (T13).
    pub task_group_id: Option<Uuid>,
    /// The user who asked for it.
    pub created_by: Option<i32>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn domain() -> Option<Column> {
        Some(Column::PulpDomainId)
    }
}

/// Where in its life a task is (T01). Nothing leaves a final state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Enum", enum_name = "task_state")]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Accepted, not yet claimed by a worker.
    #[sea_orm(string_value = "waiting")]
    Waiting,
    /// Given up before it ran, because it was no longer needed.
    #[sea_orm(string_value = "skipped")]
    Skipped,
    /// Claimed by a worker.
    #[sea_orm(string_value = "running")]
    Running,
    /// Ended well.
    #[sea_orm(string_value = "completed")]
    Completed,
    /// Ended with an error.
    #[sea_orm(string_value = "failed")]
    Failed,
    /// Ended because somebody asked for it.
    #[sea_orm(string_value = "canceled")]
    Canceled,
    /// Running, and asked to stop.
    #[sea_orm(string_value = "canceling")]
    Canceling,
}

impl TaskState {
    /// Every state, in the order of the REST API's document.
    pub const ALL: [TaskState; 7] = [
        TaskState::Waiting,
        TaskState::Skipped,
        TaskState::Running,
        TaskState::Completed,
        TaskState::Failed,
        TaskState::Canceled,
        TaskState::Canceling,
    ];

    /// Whether the task has ended.
    pub fn is_final(self) -> bool {
        matches!(self, TaskState::Skipped | TaskState::Completed | TaskState::Failed | TaskState::Canceled)
    }

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskState::Waiting => "waiting",
            TaskState::Skipped => "skipped",
            TaskState::Running => "running",
            TaskState::Completed => "completed",
            TaskState::Failed => "failed",
            TaskState::Canceled => "canceled",
            TaskState::Canceling => "canceling",
        }
    }
}
