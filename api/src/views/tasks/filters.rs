//! Filters of tasks.

use entities::task::{Column, Entity, TaskState};
use entities::{Reference, created_resource, kind, process, repository_version, task_group};
use sea_orm::ColumnTrait;
use sea_orm::sea_query::extension::postgres::PgExpr;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};

use crate::Result;
use crate::filter::{self, Filter, bad_reference};
use crate::reader::Reader;
use crate::schema::text;

pub(super) fn all() -> Vec<Filter> {
    let mut filters = [
        filter::texts("name", Column::Name, &["", "contains", "in", "ne"]),
        filter::texts("logging_cid", Column::LoggingCid, &["", "contains"]),
        filter::dates("pulp_created", Column::PulpCreated),
        filter::dates("unblocked_at", Column::UnblockedAt),
        filter::dates("started_at", Column::StartedAt),
        filter::dates("finished_at", Column::FinishedAt),
        filter::ids(&kind::TASK, Column::PulpId),
        resources("exclusive_resources", || Column::ExclusiveResources.into_expr()),
        resources("shared_resources", || Column::SharedResources.into_expr()),
        resources("reserved_resources", || {
            Column::ExclusiveResources.into_expr().concat(Column::SharedResources.into_expr())
        }),
        filter::choice("state", Column::State, &TaskState::ALL.map(TaskState::as_str), state),
    ]
    .concat();
    filters.extend([
        filter::reference::<process::Entity>("worker", Column::WorkerId).without_nothing(),
        filter::reference::<Entity>("parent_task", Column::ParentTaskId),
        filter::reference::<task_group::Entity>("task_group", Column::TaskGroupId),
        filter::referring::<Entity>("child_tasks", |child| {
            let tasks = Alias::new("child");
            let parent = Query::select()
                .expr(Expr::col((tasks.clone(), Column::ParentTaskId)))
                .from_as(Entity, tasks.clone())
                .and_where(Expr::col((tasks, Column::PulpId)).eq(child))
                .take();
            Column::PulpId.in_subquery(parent)
        }),
        Filter::new("created_resources", text(None), "", created).with_nothing(),
    ]);
    filters
}

fn state(word: &str) -> Option<sea_orm::Value> {
    let state = TaskState::ALL.into_iter().find(|state| state.as_str() == word)?;
    Some(state.into())
}

/// Filters by locked resources; an href stands for its PRN, anything else for itself.
fn resources(name: &'static str, column: fn() -> Expr) -> Vec<Filter> {
    let name_in = format!("{name}__in");
    let hold = move |resources: Vec<&str>, reader: &Reader<'_>| -> Result<Expr> {
        let prn = |resource: &str| match reader.links.parse(resource) {
            Some(Reference::Object { kind, id }) => String::from(kind.prn(id)),
            _ => resource.to_owned(),
        };
        let resources: Vec<String> = resources.into_iter().map(prn).collect();
        Ok(column().contains(Expr::val(resources)))
    };
    vec![
        Filter::new(name, text(None), "", move |resource, reader| hold(vec![resource], reader)),
        Filter::list(name_in, text(None), "", hold),
    ]
}

fn created(value: &str, reader: &Reader<'_>) -> Result<Expr> {
    use created_resource::Column as Created;
    use repository_version::Column as Version;
    let object = match reader.links.parse(value) {
        Some(Reference::Object { id, .. }) => Created::ObjectId.eq(id),
        Some(Reference::Version { repository, number, .. }) => {
            let version = Query::select()
                .column(Version::PulpId)
                .from(repository_version::Entity)
                .and_where(Version::RepositoryId.eq(repository))
                .and_where(Version::Number.eq(number))
                .take();
            Created::ObjectId.in_subquery(version)
        }
        _ => return Err(bad_reference("created_resources")),
    };
    let tasks =
        Query::select().column(Created::TaskId).from(created_resource::Entity).and_where(object).take();
    Ok(Column::PulpId.in_subquery(tasks))
}
