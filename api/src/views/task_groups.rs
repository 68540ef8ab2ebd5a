//! Task groups: list, read, cancel (P03, T13).

use std::collections::HashMap;
use std::sync::Arc;

use entities::task::{self, TaskState};
use entities::task_group::{Column, Entity, Model};
use entities::{Id, group_progress_report, kind};
use http::{Method, StatusCode};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::tasks::{MinimalTask, cancel_component, check_cancel};
use crate::endpoint::Media;
use crate::reader::Reader;
use crate::resource::{self, Resource, sharing};
use crate::view::{Link, Name, View};
use crate::{Endpoint, Error, Request, Result};

/// A task group as clients see it: how many of its tasks are in each state, and the tasks.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    pulp_href: Link,
    prn: Name,
    description: String,
    all_tasks_dispatched: bool,
    waiting: i64,
    skipped: i64,
    running: i64,
    completed: i64,
    canceled: i64,
    failed: i64,
    canceling: i64,
    group_progress_reports: Vec<Report>,
    tasks: Vec<MinimalTask>,
}

/// Progress of a group (T13).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = GroupProgressReportResponse)]
struct Report {
    message: String,
    code: String,
    total: Option<i64>,
    done: i64,
    suffix: Option<String>,
}

struct Groups;

impl View for Groups {
    type Entity = Entity;
    type Row = Model;
    type Body = Body;

    async fn show(rows: Vec<Model>, reader: &Reader<'_>) -> Result<Vec<Body>> {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.pulp_id).collect();
        let (mut reports, mut tasks) = tokio::try_join!(reports(&ids, reader), tasks(&ids, reader))?;
        let show = |row: Model| {
            let tasks = tasks.remove(&row.pulp_id).unwrap_or_default();
            let count = |state| tasks.iter().filter(|task| task.state == state).count() as i64;
            Body {
                pulp_href: Link(reader.links.href(&kind::TASK_GROUP, row.pulp_id)),
                prn: Name(kind::TASK_GROUP.prn(row.pulp_id)),
                description: row.description,
                all_tasks_dispatched: row.all_tasks_dispatched,
                waiting: count(TaskState::Waiting),
                skipped: count(TaskState::Skipped),
                running: count(TaskState::Running),
                completed: count(TaskState::Completed),
                canceled: count(TaskState::Canceled),
                failed: count(TaskState::Failed),
                canceling: count(TaskState::Canceling),
                group_progress_reports: reports.remove(&row.pulp_id).unwrap_or_default(),
                tasks: tasks.into_iter().map(|task| MinimalTask::of(task, reader)).collect(),
            }
        };
        Ok(rows.into_iter().map(show).collect())
    }
}

/// The tasks of groups, oldest first.
async fn tasks(groups: &[Uuid], reader: &Reader<'_>) -> Result<HashMap<Uuid, Vec<task::Model>>> {
    let rows = reader
        .scope
        .rows::<task::Entity>()
        .filter(task::Column::TaskGroupId.is_in(groups.iter().copied()))
        .order_by_asc(task::Column::Seq)
        .all(reader.db)
        .await?;
    let mut by_group: HashMap<Uuid, Vec<task::Model>> = HashMap::new();
    for row in rows {
        if let Some(group) = row.task_group_id {
            by_group.entry(group).or_default().push(row);
        }
    }
    Ok(by_group)
}

async fn reports(groups: &[Uuid], reader: &Reader<'_>) -> Result<HashMap<Uuid, Vec<Report>>> {
    use group_progress_report::Column;
    let rows = reader
        .scope
        .parts::<group_progress_report::Entity>(groups.iter().copied())
        .order_by_asc(Column::PulpCreated)
        .order_by_asc(Column::PulpId)
        .all(reader.db)
        .await?;
    let mut by_group: HashMap<Uuid, Vec<Report>> = HashMap::new();
    for row in rows {
        by_group.entry(row.task_group_id).or_default().push(Report {
            message: row.message,
            code: row.code,
            total: row.total,
            done: row.done,
            suffix: row.suffix,
        });
    }
    Ok(by_group)
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let groups: Arc<Resource<Groups>> = Arc::new(Resource::new(&kind::TASK_GROUP));
    vec![resource::list(&groups), resource::read(&groups), cancellation(&groups)]
}

fn cancellation(groups: &Arc<Resource<Groups>>) -> Endpoint {
    let handler = sharing(groups, async |groups: Arc<Resource<Groups>>, mut request: Request| {
        check_cancel(&mut request).await?;
        let id: Id<Entity> = groups.id(&request).await?;
        Entity::update_many()
            .col_expr(Column::AllTasksDispatched, true.into())
            .filter(Column::PulpId.eq(id.key()))
            .exec(request.db())
            .await?;
        let canceled = cancel_tasks(&request, id).await?;
        groups.show(&request, if canceled { StatusCode::OK } else { StatusCode::CONFLICT }).await
    });
    groups
        .action(Method::PATCH, "", "cancel", groups.permission("change"), handler)
        .summary("Cancel all tasks of a group: PATCH with state canceled")
        .body(Media::Fields, cancel_component())
        .answer(StatusCode::OK, groups.component())
        .answer(StatusCode::CONFLICT, groups.component())
}

/// Looks again after the first one: until its members are told to stop, they may dispatch more.
const ROUNDS: usize = 20;

/// Whether any task could still be canceled.
async fn cancel_tasks(request: &Request, group: Id<Entity>) -> Result<bool> {
    let in_state = |states: &[TaskState]| {
        let states = states.iter().copied();
        let of_group = task::Column::TaskGroupId.eq(group.key());
        request.scope.rows::<task::Entity>().filter(of_group.and(task::Column::State.is_in(states)))
    };
    // A task of the group that was told to stop already counts.
    let mut canceled = in_state(&[TaskState::Canceling]).one(request.db()).await?.is_some();
    for _ in 0..=ROUNDS {
        let tasks: Vec<Uuid> = in_state(&[TaskState::Waiting, TaskState::Running])
            .order_by_desc(task::Column::Seq)
            .select_only()
            .column(task::Column::PulpId)
            .into_tuple()
            .all(request.db())
            .await?;
        if tasks.is_empty() {
            break;
        }
        for task in tasks {
            match request.context.dispatcher.cancel(task).await {
                Ok(_) => canceled = true,
                Err(Error::Conflict(_) | Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(canceled)
}
