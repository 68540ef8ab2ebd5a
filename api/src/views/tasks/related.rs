//! What belongs to tasks and is kept in other tables, read for all tasks of a page at once.

use std::collections::HashMap;

use entities::{created_resource, progress_report, repository, repository_version, task};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Result;
use crate::reader::Reader;
use crate::view::Link;

/// Progress of a task (T10).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ProgressReportResponse)]
pub(super) struct ProgressReport {
    message: String,
    code: String,
    state: String,
    total: Option<i64>,
    done: i64,
    suffix: Option<String>,
}

/// An object that a task created, as a client sees it; both are none once it is gone.
type Created = (Vec<Option<Link>>, Vec<Option<String>>);

#[derive(Debug, Default)]
pub(super) struct Related {
    children: HashMap<Uuid, Vec<Uuid>>,
    reports: HashMap<Uuid, Vec<ProgressReport>>,
    created: HashMap<Uuid, Created>,
}

/// A row of `created_resource`; of a version, with what its href needs.
#[derive(Debug, FromQueryResult)]
struct CreatedRow {
    task_id: Uuid,
    prn: Option<String>,
    number: Option<i32>,
    repository_id: Option<Uuid>,
    pulp_type: Option<String>,
}

impl Related {
    pub(super) async fn of(tasks: Vec<Uuid>, reader: &Reader<'_>) -> Result<Related> {
        if tasks.is_empty() {
            return Ok(Related::default());
        }
        let (children, reports, created) =
            tokio::try_join!(children(&tasks, reader), reports(&tasks, reader), created(&tasks, reader))?;
        Ok(Related { children, reports, created })
    }

    /// The tasks that this one dispatched, oldest first.
    pub(super) fn children(&mut self, task: Uuid) -> Vec<Uuid> {
        self.children.remove(&task).unwrap_or_default()
    }

    pub(super) fn reports(&mut self, task: Uuid) -> Vec<ProgressReport> {
        self.reports.remove(&task).unwrap_or_default()
    }

    /// The hrefs and the PRNs of what the task created, in order.
    pub(super) fn created(&mut self, task: Uuid) -> Created {
        self.created.remove(&task).unwrap_or_default()
    }
}

async fn children(tasks: &[Uuid], reader: &Reader<'_>) -> Result<HashMap<Uuid, Vec<Uuid>>> {
    let rows: Vec<(Uuid, Uuid)> = reader
        .scope
        .rows::<task::Entity>()
        .filter(task::Column::ParentTaskId.is_in(tasks.iter().copied()))
        .order_by_asc(task::Column::Seq)
        .select_only()
        .columns([task::Column::ParentTaskId, task::Column::PulpId])
        .into_tuple()
        .all(reader.db)
        .await?;
    let mut children: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    for (parent, child) in rows {
        children.entry(parent).or_default().push(child);
    }
    Ok(children)
}

async fn reports(tasks: &[Uuid], reader: &Reader<'_>) -> Result<HashMap<Uuid, Vec<ProgressReport>>> {
    use progress_report::Column;
    let rows = reader
        .scope
        .parts::<progress_report::Entity>(tasks.iter().copied())
        .order_by_asc(Column::PulpCreated)
        .order_by_asc(Column::PulpId)
        .all(reader.db)
        .await?;
    let mut reports: HashMap<Uuid, Vec<ProgressReport>> = HashMap::new();
    for row in rows {
        reports.entry(row.task_id).or_default().push(ProgressReport {
            message: row.message,
            code: row.code,
            state: row.state,
            total: row.total,
            done: row.done,
            suffix: row.suffix,
        });
    }
    Ok(reports)
}

async fn created(tasks: &[Uuid], reader: &Reader<'_>) -> Result<HashMap<Uuid, Created>> {
    use created_resource::{Column, Entity};
    use repository_version::Column as Version;
    let version = Entity::belongs_to(repository_version::Entity).from(Column::ObjectId).to(Version::PulpId);
    let repository = repository_version::Entity::belongs_to(repository::Entity)
        .from(Version::RepositoryId)
        .to(repository::Column::PulpId);
    let rows: Vec<CreatedRow> = reader
        .scope
        .parts::<Entity>(tasks.iter().copied())
        .join(JoinType::LeftJoin, version.into())
        .join(JoinType::LeftJoin, repository.into())
        .select_only()
        .columns([Column::TaskId, Column::Prn])
        .columns([Version::Number, Version::RepositoryId])
        .column(repository::Column::PulpType)
        .order_by_asc(Column::TaskId)
        .order_by_asc(Column::Position)
        .into_model()
        .all(reader.db)
        .await?;
    let mut created: HashMap<Uuid, Created> = HashMap::new();
    for row in rows {
        let (hrefs, prns) = created.entry(row.task_id).or_default();
        hrefs.push(href(&row, reader));
        prns.push(row.prn);
    }
    Ok(created)
}

fn href(row: &CreatedRow, reader: &Reader<'_>) -> Option<Link> {
    if let (Some(pulp_type), Some(repository), Some(number)) = (&row.pulp_type, row.repository_id, row.number)
    {
        return reader.links.version(pulp_type, repository, number).map(Link);
    }
    let (kind, id) = reader.links.kinds().of_prn(row.prn.as_deref()?)?;
    Some(Link(reader.links.href(kind, id)))
}
