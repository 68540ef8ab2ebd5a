//! Tasks: list, read, cancel, delete, purge (P02, P31, T02).

use std::sync::Arc;

use chrono::{Duration, Utc};
use entities::task::TaskState;
use entities::{Reference, db, kind};
use http::{Method, StatusCode};
use sea_orm::ConnectionTrait;
use serde_json::json;
use tasking::tasks::purge::{Before, Purge};

use crate::endpoint::Media;
use crate::field::{Field, Shape, Values, identity, write_component};
use crate::filter::{self, Filter};
use crate::request::AsyncOperationResponse;
use crate::schema::{Component, text};
use crate::sql::{self, Conditions};
use crate::viewset::{self, Viewset};
use crate::{Endpoint, Error, Request, Response, Result, response};

/// How old tasks have to be for a purge that does not say so.
const PURGE_AGE: Duration = Duration::days(30);

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

pub(super) fn endpoints() -> Vec<Endpoint> {
    let tasks = Arc::new(viewset());
    vec![
        viewset::list(&tasks),
        viewset::read(&tasks),
        cancellation(&tasks),
        deletion(&tasks),
        Endpoint::new(Method::POST, "tasks/purge/", "tasks_purge", "Tasks", purge)
            .summary("Deletes tasks that ended long ago.")
            .body(Media::Fields, write_component("Purge", &purge_fields(), false))
            .answer(StatusCode::ACCEPTED, Component::of::<AsyncOperationResponse>()),
    ]
}

fn viewset() -> Viewset {
    let time = |name: &'static str| Field::shown(name, Shape::Time, sql::timestamp(&format!("t.{name}")));
    let task = |name: &'static str| {
        Field::shown(name, Shape::Reference("task"), sql::related("task", &format!("t.{name}_id")))
    };
    let mut fields = identity("task");
    fields.extend([
        Field::shown("state", Shape::Text(None), "t.state"),
        Field { required: true, ..Field::shown("name", Shape::Text(None), "t.name") },
        Field { required: true, ..Field::shown("logging_cid", Shape::Text(None), "t.logging_cid") },
        Field::shown(
            "created_by",
            Shape::Reference("auth_user"),
            "'/pulp/api/v3/users/' || t.created_by || '/'",
        )
        .nullable(),
        time("unblocked_at"),
        time("started_at"),
        time("finished_at"),
        Field::shown("error", Shape::Map, "t.error"),
        Field::shown("worker", Shape::Reference("process"), sql::related("process", "t.worker_id"))
            .nullable(),
        task("parent_task"),
        Field::shown("child_tasks", Shape::Hrefs, children("parent_task_id")),
        Field::shown(
            "task_group",
            Shape::Reference("task_group"),
            sql::related("task_group", "t.task_group_id"),
        ),
        Field::shown("progress_reports", Shape::Components(report), progress_reports()),
        Field::shown("created_resources", Shape::Hrefs, created("href")),
        Field::shown("created_resource_prns", Shape::Hrefs, created("prn")),
        Field::shown(
            "reserved_resources_record",
            Shape::Texts,
            "t.exclusive_resources || ARRAY(SELECT 'shared:' || r FROM unnest(t.shared_resources) AS r)",
        ),
        Field::shown("result", Shape::Any, "t.result"),
        Field::shown("pulp_api_version", Shape::Text(None), "'v3'"),
    ]);
    Viewset {
        fields,
        minimal: MINIMAL,
        filters: filters(),
        ..Viewset::new(&kind::TASK, "tasks", "Task", "Tasks", "task_href")
    }
    .ordered_by(&[
        "error",
        "finished_at",
        "logging_cid",
        "name",
        "pulp_created",
        "pulp_id",
        "pulp_last_updated",
        "result",
        "started_at",
        "state",
        "unblocked_at",
    ])
}

/// The hrefs of tasks that point to `t` with this column, oldest first.
fn children(column: &str) -> String {
    let href = sql::href("task", "c");
    format!(
        "(SELECT coalesce(json_agg({href} ORDER BY c.seq), '[]') FROM task AS c WHERE c.{column} = t.pulp_id)"
    )
}

fn created(column: &str) -> String {
    format!(
        "(SELECT coalesce(json_agg(c.{column} ORDER BY c.position), '[]') FROM created_resource AS c
          WHERE c.task_id = t.pulp_id)"
    )
}

fn progress_reports() -> String {
    "(SELECT coalesce(json_agg(json_build_object('message', p.message, 'code', p.code, 'state', p.state,
              'total', p.total, 'done', p.done, 'suffix', p.suffix) ORDER BY p.pulp_created, p.pulp_id), '[]')
      FROM progress_report AS p WHERE p.task_id = t.pulp_id)"
        .to_owned()
}

fn report() -> Component {
    let shown = |name, shape| Field::shown(name, shape, "");
    let number = || Shape::Integer(None, None);
    let fields = [
        shown("message", Shape::Text(None)),
        shown("code", Shape::Text(None)),
        shown("state", Shape::Text(None)),
        shown("total", number()).nullable(),
        shown("done", number()),
        shown("suffix", Shape::Text(None)).nullable(),
    ];
    crate::field::read_component("ProgressReport", &fields)
}

fn filters() -> Vec<Filter> {
    let mut filters = [
        filter::texts("name", "t.name", &["", "contains", "in", "ne"]),
        filter::texts("logging_cid", "t.logging_cid", &["", "contains"]),
        filter::dates("pulp_created", "t.pulp_created"),
        filter::dates("unblocked_at", "t.unblocked_at"),
        filter::dates("started_at", "t.started_at"),
        filter::dates("finished_at", "t.finished_at"),
        filter::ids("task", "t.pulp_id"),
        resources("exclusive_resources", "t.exclusive_resources"),
        resources("shared_resources", "t.shared_resources"),
        resources("reserved_resources", "(t.exclusive_resources || t.shared_resources)"),
        states(),
    ]
    .concat();
    let parent = "t.pulp_id = (SELECT parent_task_id FROM task WHERE pulp_id = {})".to_owned();
    filters.extend([
        filter::reference("worker", "process", "t.worker_id"),
        filter::reference("parent_task", "task", "t.parent_task_id"),
        filter::reference("task_group", "task_group", "t.task_group_id"),
        filter::referring("child_tasks", "task", parent, None),
        Filter::new("created_resources", text(None), "", created_resource),
    ]);
    filters
}

fn states() -> Vec<Filter> {
    let check = |name: &str, word: &str| match TaskState::ALL.iter().any(|state| state.as_str() == word) {
        true => Ok(word.to_owned()),
        false => {
            let message = format!("Select a valid choice. {word} is not one of the available choices.");
            Err(Error::field(name, message))
        }
    };
    let words = text(None).enum_values(Some(TaskState::ALL.map(TaskState::as_str)));
    vec![
        Filter::new("state", words, "Filter results where state matches value", move |word, conditions| {
            let bound = conditions.bind(check("state", word)?);
            conditions.push(format!("t.state = {bound}::task_state"));
            Ok(())
        }),
        Filter::new("state__ne", text(None), "", move |word, conditions| {
            let bound = conditions.bind(check("state__ne", word)?);
            conditions.push(format!("t.state <> {bound}::task_state"));
            Ok(())
        }),
        Filter::list("state__in", text(None), "", move |words, conditions| {
            let words: Vec<String> =
                words.into_iter().map(|word| check("state__in", word)).collect::<Result<_>>()?;
            let bound = conditions.bind(words);
            conditions.push(format!("t.state = ANY({bound}::task_state[])"));
            Ok(())
        }),
    ]
}

/// Filters by locked resources; an href stands for its PRN, anything else for itself.
fn resources(name: &'static str, expression: &'static str) -> Vec<Filter> {
    let name_in = format!("{name}__in");
    let apply = move |resources: Vec<&str>, conditions: &mut Conditions| {
        let resources: Vec<String> = resources
            .into_iter()
            .map(|resource| match Reference::parse(resource) {
                Some(Reference::Object { kind, id }) => String::from(kind.prn(id)),
                _ => resource.to_owned(),
            })
            .collect();
        let bound = conditions.bind(resources);
        conditions.push(format!("{expression} @> {bound}"));
        Ok(())
    };
    vec![
        Filter::new(name, text(None), "", move |resource, conditions| apply(vec![resource], conditions)),
        Filter::list(name_in, text(None), "", apply),
    ]
}

fn created_resource(value: &str, conditions: &mut Conditions) -> Result<()> {
    let id = match Reference::parse(value) {
        Some(Reference::Object { id, .. }) => conditions.bind(id),
        Some(Reference::Version { repository, number, .. }) => {
            let (repository, number) = (conditions.bind(repository), conditions.bind(number));
            format!(
                "(SELECT pulp_id FROM repository_version WHERE repository_id = {repository} AND number = {number})"
            )
        }
        None => return Err(sql::bad_reference("created_resources")),
    };
    conditions.push(format!(
        "EXISTS (SELECT FROM created_resource AS c WHERE c.task_id = t.pulp_id AND c.object_id = {id})"
    ));
    Ok(())
}

/// What a cancellation is asked for with; the same for tasks and groups.
pub(super) fn cancel_component() -> Component {
    write_component("TaskCancel", &cancel_fields(), true)
}

fn cancel_fields() -> [Field; 1] {
    [Field::argument("state", Shape::Text(None)).required()]
}

/// Refuses any other state than `canceled`.
pub(super) async fn check_cancel(request: &mut Request) -> Result<()> {
    let form = request.fields().await?;
    let values = Values::read(&request.context, request.domain(), &cancel_fields(), &form).await?;
    match values.text("state") {
        Some("canceled") => Ok(()),
        _ => Err(Error::field("state", "The only acceptable value for 'state' is 'canceled'.")),
    }
}

fn cancellation(tasks: &Arc<Viewset>) -> Endpoint {
    let shared = tasks.clone();
    let handler = move |mut request: Request| {
        let tasks = shared.clone();
        async move {
            check_cancel(&mut request).await?;
            let task = tasks.show(&request).await?;
            match request.context.dispatcher.cancel(request.id()?).await {
                Ok(_) => Ok(response::json_text(StatusCode::OK, tasks.show(&request).await?)),
                Err(Error::Conflict(_)) => Ok(response::json_text(StatusCode::CONFLICT, task)),
                Err(error) => Err(error),
            }
        }
    };
    tasks
        .action(Method::PATCH, "", "cancel", handler)
        .summary("Cancels a task: PATCH with state canceled.")
        .body(Media::Fields, cancel_component())
        .answer(StatusCode::OK, tasks.component())
        .answer(StatusCode::CONFLICT, tasks.component())
}

fn deletion(tasks: &Arc<Viewset>) -> Endpoint {
    let handler = async |request: Request| -> Result<Response> {
        let id = request.id()?;
        let find = "SELECT 1 AS found FROM task WHERE pulp_id = $1 AND pulp_domain_id = $2";
        let delete = "DELETE FROM task WHERE pulp_id = $1 AND pulp_domain_id = $2
                      AND state IN ('skipped', 'completed', 'failed', 'canceled')";
        let values = [id.into(), request.domain().into()];
        let pool = &request.context.pulp.db;
        if pool.execute_raw(db::sql(delete, values.clone())).await?.rows_affected() == 1 {
            return Ok(response::empty(StatusCode::NO_CONTENT));
        }
        match pool.query_one_raw(db::sql(find, values)).await? {
            Some(_) => Ok(response::empty(StatusCode::CONFLICT)),
            None => Err(Error::not_found("task", id)),
        }
    };
    tasks
        .action(Method::DELETE, "", "delete", handler)
        .summary("Deletes a task that has ended.")
        .answer_empty(StatusCode::NO_CONTENT)
}

fn purge_fields() -> [Field; 2] {
    [
        Field::argument("finished_before", Shape::Time),
        Field::argument("states", Shape::Texts).default(json!(["completed"])),
    ]
}

async fn purge(mut request: Request) -> Result<Response> {
    let form = request.fields().await?;
    let values = Values::read(&request.context, request.domain(), &purge_fields(), &form).await?;
    let finished_before = match values.text("finished_before") {
        Some(text) => filter::parse_date("finished_before", text)?,
        None => Utc::now() - PURGE_AGE,
    };
    let words = values.get("states").and_then(|states| states.as_array()).into_iter().flatten();
    let parse = |word: &serde_json::Value| {
        let found = TaskState::ALL.into_iter().find(|state| Some(state.as_str()) == word.as_str());
        found
            .filter(|state| state.is_final())
            .ok_or_else(|| Error::field("states", format!("{word} is not a valid choice.")))
    };
    let states = words.map(parse).collect::<Result<_>>()?;
    request.dispatch(&Purge { finished_before: Before::Time(finished_before), states }).await
}
