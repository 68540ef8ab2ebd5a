//! Task groups: list, read, cancel (P03, T13).

use std::sync::Arc;

use entities::{db, kind};
use http::{Method, StatusCode};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::tasks::{cancel_component, check_cancel};
use crate::endpoint::Media;
use crate::field::{Field, Shape, named, read_component};
use crate::schema::Component;
use crate::sql;
use crate::viewset::{self, Viewset};
use crate::{Endpoint, Error, Request, Result, response};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let groups = Arc::new(viewset());
    vec![viewset::list(&groups), viewset::read(&groups), cancellation(&groups)]
}

fn viewset() -> Viewset {
    let mut fields = named("task_group");
    fields.extend([
        Field { required: true, ..Field::shown("description", Shape::Text(None), "t.description") },
        Field {
            required: true,
            ..Field::shown("all_tasks_dispatched", Shape::Boolean, "t.all_tasks_dispatched")
        },
        count("waiting"),
        count("skipped"),
        count("running"),
        count("completed"),
        count("canceled"),
        count("failed"),
        count("canceling"),
        Field::shown("group_progress_reports", Shape::Components(report), REPORTS),
        Field::shown("tasks", Shape::Components(minimal_task), tasks()),
    ]);
    Viewset {
        fields,
        ..Viewset::new(&kind::TASK_GROUP, "task_groups", "TaskGroup", "Task-Groups", "task_group_href")
    }
}

fn count(state: &'static str) -> Field {
    let output =
        format!("(SELECT count(*) FROM task AS c WHERE c.task_group_id = t.pulp_id AND c.state = '{state}')");
    Field::shown(state, Shape::Integer(None, None), output)
}

const REPORTS: &str = "(SELECT coalesce(json_agg(json_build_object('message', p.message, 'code', p.code,
          'total', p.total, 'done', p.done, 'suffix', p.suffix) ORDER BY p.pulp_created, p.pulp_id), '[]')
      FROM group_progress_report AS p WHERE p.task_group_id = t.pulp_id)";

fn report() -> Component {
    let number = || Shape::Integer(None, None);
    let fields = [
        Field::shown("message", Shape::Text(None), ""),
        Field::shown("code", Shape::Text(None), ""),
        Field::shown("total", number(), "").nullable(),
        Field::shown("done", number(), ""),
        Field::shown("suffix", Shape::Text(None), "").nullable(),
    ];
    read_component("GroupProgressReport", &fields)
}

/// The tasks of a group in their short form (R12), on the row `c`.
fn minimal_fields() -> Vec<Field> {
    let time = |name: &'static str| Field::shown(name, Shape::Time, sql::timestamp(&format!("c.{name}")));
    vec![
        Field::shown("pulp_href", Shape::Reference("task"), sql::href("task", "c")),
        Field::shown("prn", Shape::Text(None), sql::prn("task", "c")),
        time("pulp_created"),
        time("pulp_last_updated"),
        Field::shown("pulp_api_version", Shape::Text(None), "'v3'"),
        Field { required: true, ..Field::shown("name", Shape::Text(None), "c.name") },
        Field::shown("state", Shape::Text(None), "c.state"),
        time("unblocked_at"),
        time("started_at"),
        time("finished_at"),
        Field::shown("worker", Shape::Reference("process"), sql::related("process", "c.worker_id"))
            .nullable(),
    ]
}

fn minimal_task() -> Component {
    read_component("MinimalTask", &minimal_fields())
}

fn tasks() -> String {
    let fields = minimal_fields();
    let pairs: Vec<String> = fields
        .iter()
        .filter_map(|field| Some(format!("'{}', {}", field.name, field.output.as_ref()?)))
        .collect();
    format!(
        "(SELECT coalesce(json_agg(json_build_object({}) ORDER BY c.seq), '[]') FROM task AS c
          WHERE c.task_group_id = t.pulp_id)",
        pairs.join(", ")
    )
}

fn cancellation(groups: &Arc<Viewset>) -> Endpoint {
    let shared = groups.clone();
    let handler = move |mut request: Request| {
        let groups = shared.clone();
        async move {
            check_cancel(&mut request).await?;
            groups.show(&request).await?;
            let sql = "UPDATE task_group SET all_tasks_dispatched = true WHERE pulp_id = $1";
            let id = request.id()?;
            request.context.pulp.db.execute_raw(db::sql(sql, [id.into()])).await?;
            let canceled = cancel_tasks(&request, id).await?;
            let status = if canceled { StatusCode::OK } else { StatusCode::CONFLICT };
            Ok(response::json_text(status, groups.show(&request).await?))
        }
    };
    groups
        .action(Method::PATCH, "", "cancel", handler)
        .summary("Cancels all tasks of a group: PATCH with state canceled.")
        .body(Media::Fields, cancel_component())
        .answer(StatusCode::OK, groups.component())
        .answer(StatusCode::CONFLICT, groups.component())
}

/// Looks again after the first one: until its members are told to stop, they may dispatch more.
const ROUNDS: usize = 20;

/// Whether any task could still be canceled.
async fn cancel_tasks(request: &Request, group: Uuid) -> Result<bool> {
    let sql = "SELECT pulp_id FROM task WHERE task_group_id = $1 AND state IN ('waiting', 'running') ORDER BY seq DESC";
    let (db, dispatcher) = (&request.context.pulp.db, &request.context.dispatcher);
    let mut canceled = is_canceling(request, group).await?;
    for _ in 0..=ROUNDS {
        let rows = db.query_all_raw(db::sql(sql, [group.into()])).await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            match dispatcher.cancel(row.try_get("", "pulp_id")?).await {
                Ok(_) => canceled = true,
                Err(Error::Conflict(_) | Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(canceled)
}

/// Whether a task of the group was told to stop already.
async fn is_canceling(request: &Request, group: Uuid) -> Result<bool> {
    let sql = "SELECT 1 AS one FROM task WHERE task_group_id = $1 AND state = 'canceling' LIMIT 1";
    Ok(request.context.pulp.db.query_one_raw(db::sql(sql, [group.into()])).await?.is_some())
}
