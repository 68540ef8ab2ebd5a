//! Tasks: list, read, cancel, delete, purge (P02, P31, T02).

mod filters;
mod purge;
mod related;

use std::sync::Arc;

use entities::task::{Column, Entity, Model, TaskState};
use entities::{Id, kind};
use http::{Method, StatusCode};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::endpoint::Media;
use crate::field::{Field, Mode, Values, request_component};
use crate::reader::Reader;
use crate::resource::{self, Resource, sharing};
use crate::schema::Component;
use crate::view::{Identity, Link, Time, View};
use crate::{Endpoint, Error, Request, Response, Result, response};
use related::{ProgressReport, Related};

const MINIMAL: &[&str] = &[
    "pulp_href",
    "prn",
    "pulp_created",
    "pulp_last_updated",
    "pulp_api_version",
    "name",
    "state",
    "unblocked_at",
    "started_at",
    "finished_at",
    "worker",
];

/// A task as clients see it.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    #[serde(flatten)]
    identity: Identity,
    state: &'static str,
    name: String,
    logging_cid: String,
    created_by: Option<Link>,
    unblocked_at: Option<Time>,
    started_at: Option<Time>,
    finished_at: Option<Time>,
    /// Why it failed.
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
    worker: Option<Link>,
    parent_task: Option<Link>,
    child_tasks: Vec<Link>,
    task_group: Option<Link>,
    progress_reports: Vec<ProgressReport>,
    created_resources: Vec<Option<Link>>,
    created_resource_prns: Vec<Option<String>>,
    reserved_resources_record: Vec<String>,
    /// What it returned.
    #[schema(value_type = Value)]
    result: Option<Value>,
    pulp_api_version: &'static str,
}

/// A task in its short form (R12).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MinimalTaskResponse)]
pub(super) struct MinimalTask {
    #[serde(flatten)]
    identity: Identity,
    pulp_api_version: &'static str,
    name: String,
    state: &'static str,
    unblocked_at: Option<Time>,
    started_at: Option<Time>,
    finished_at: Option<Time>,
    worker: Option<Link>,
}

impl MinimalTask {
    pub(super) fn of(row: Model, reader: &Reader<'_>) -> MinimalTask {
        MinimalTask {
            identity: Identity::of(&kind::TASK, &row, reader),
            pulp_api_version: "v3",
            name: row.name,
            state: row.state.as_str(),
            unblocked_at: row.unblocked_at.map(Time),
            started_at: row.started_at.map(Time),
            finished_at: row.finished_at.map(Time),
            worker: row.worker_id.map(|id| Link(reader.links.href(&kind::WORKER, id))),
        }
    }
}

struct Tasks;

impl View for Tasks {
    type Entity = Entity;
    type Row = Model;
    type Body = Body;

    async fn show(rows: Vec<Model>, reader: &Reader<'_>) -> Result<Vec<Body>> {
        let mut related = Related::of(rows.iter().map(|row| row.pulp_id).collect(), reader).await?;
        Ok(rows.into_iter().map(|row| show(row, &mut related, reader)).collect())
    }
}

fn show(row: Model, related: &mut Related, reader: &Reader<'_>) -> Body {
    let links = reader.links;
    let task = |id| Link(links.href(&kind::TASK, id));
    let (created_resources, created_resource_prns) = related.created(row.pulp_id);
    let identity = Identity::of(&kind::TASK, &row, reader);
    let shared = row.shared_resources.into_iter().map(|resource| format!("shared:{resource}"));
    Body {
        identity,
        state: row.state.as_str(),
        name: row.name,
        logging_cid: row.logging_cid,
        created_by: row.created_by.map(|id| Link(links.href(&kind::USER, id))),
        unblocked_at: row.unblocked_at.map(Time),
        started_at: row.started_at.map(Time),
        finished_at: row.finished_at.map(Time),
        error: row.error,
        worker: row.worker_id.map(|id| Link(links.href(&kind::WORKER, id))),
        parent_task: row.parent_task_id.map(task),
        child_tasks: related.children(row.pulp_id).into_iter().map(task).collect(),
        task_group: row.task_group_id.map(|id| Link(links.href(&kind::TASK_GROUP, id))),
        progress_reports: related.reports(row.pulp_id),
        created_resources,
        created_resource_prns,
        reserved_resources_record: row.exclusive_resources.into_iter().chain(shared).collect(),
        result: row.result,
        pulp_api_version: "v3",
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let tasks = Arc::new(resource());
    vec![
        resource::list(&tasks),
        resource::read(&tasks),
        cancellation(&tasks),
        deletion(&tasks),
        purge::endpoint(),
    ]
}

fn resource() -> Resource<Tasks> {
    Resource { minimal: MINIMAL, filters: filters::all(), ..Resource::new(&kind::TASK) }.ordered_by([
        ("error", Column::Error),
        ("finished_at", Column::FinishedAt),
        ("logging_cid", Column::LoggingCid),
        ("name", Column::Name),
        ("pulp_created", Column::PulpCreated),
        ("pulp_id", Column::PulpId),
        ("pulp_last_updated", Column::PulpLastUpdated),
        ("result", Column::Result),
        ("started_at", Column::StartedAt),
        ("state", Column::State),
        ("unblocked_at", Column::UnblockedAt),
    ])
}

/// What a cancellation is asked for with; the same for tasks and groups.
pub(super) fn cancel_component() -> Component {
    request_component("TaskCancel", &cancel_fields(), Mode::Partial)
}

fn cancel_fields() -> [Field; 1] {
    [Field { store: crate::field::Store::Nowhere, ..Field::text("state").required() }]
}

/// Refuses any other state than `canceled`.
pub(super) async fn check_cancel(request: &mut Request) -> Result<()> {
    let form = request.fields().await?;
    let values = Values::read(&request.reader(), &cancel_fields(), &form, Mode::Whole).await?;
    match values.text("state") {
        Some("canceled") => Ok(()),
        _ => Err(Error::field("state", "The only acceptable value for 'state' is 'canceled'.")),
    }
}

fn cancellation(tasks: &Arc<Resource<Tasks>>) -> Endpoint {
    let handler = sharing(tasks, async |tasks: Arc<Resource<Tasks>>, mut request: Request| {
        check_cancel(&mut request).await?;
        let task: Id<Entity> = tasks.id(&request).await?;
        let status = match request.context.dispatcher.cancel(task.key()).await {
            Ok(_) => StatusCode::OK,
            Err(Error::Conflict(_)) => StatusCode::CONFLICT,
            Err(error) => return Err(error),
        };
        tasks.show(&request, status).await
    });
    tasks
        .action(Method::PATCH, "", "cancel", tasks.permission("change"), handler)
        .summary("Cancel a task: PATCH with state canceled")
        .body(Media::Fields, cancel_component())
        .answer(StatusCode::OK, tasks.component())
        .answer(StatusCode::CONFLICT, tasks.component())
}

fn deletion(tasks: &Arc<Resource<Tasks>>) -> Endpoint {
    let handler = sharing(tasks, async |tasks: Arc<Resource<Tasks>>, request: Request| {
        let task: Id<Entity> = tasks.id(&request).await?;
        let ended = TaskState::ALL.into_iter().filter(|state| state.is_final());
        let deletion = Entity::delete_by_id(task.key()).filter(Column::State.is_in(ended));
        let status = match deletion.exec(request.db()).await?.rows_affected {
            0 => StatusCode::CONFLICT,
            _ => StatusCode::NO_CONTENT,
        };
        Ok::<Response, Error>(response::empty(status))
    });
    tasks
        .action(Method::DELETE, "", "delete", tasks.permission("delete"), handler)
        .summary("Delete a task that has ended")
        .answer_empty(StatusCode::NO_CONTENT)
}
