//! Workers and the resource manager that leads (P04, T72).

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entities::process::{Column, Entity, Model};
use entities::{kind, process_beat, task};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QuerySelect, Select};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::Type;
use uuid::Uuid;

use crate::filter::{self, Filter};
use crate::reader::Reader;
use crate::resource::{self, Resource};
use crate::schema::simple;
use crate::view::{Identity, Link, Time, View};
use crate::{Endpoint, Error, Result};

#[derive(Debug, FromQueryResult)]
struct Row {
    #[sea_orm(nested)]
    process: Model,
    last_heartbeat: DateTime<Utc>,
}

/// A worker as clients see it.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    #[serde(flatten)]
    identity: Identity,
    name: String,
    last_heartbeat: Time,
    #[schema(value_type = HashMap<String, String>)]
    versions: Value,
    current_task: Option<Link>,
}

struct Workers;

impl View for Workers {
    type Entity = Entity;
    type Row = Row;
    type Body = Body;

    fn select(rows: Select<Entity>) -> Select<Entity> {
        rows.column(process_beat::Column::LastHeartbeat)
    }

    async fn show(rows: Vec<Row>, reader: &Reader<'_>) -> Result<Vec<Body>> {
        let tasks = tasks(rows.iter().map(|row| row.process.pulp_id), reader).await?;
        let show = |row: Row| Body {
            identity: Identity::of(&kind::WORKER, &row.process, reader),
            current_task: tasks
                .get(&row.process.pulp_id)
                .map(|task| Link(reader.links.href(&kind::TASK, task))),
            name: row.process.name,
            last_heartbeat: row.last_heartbeat.into(),
            versions: row.process.versions,
        };
        Ok(rows.into_iter().map(show).collect())
    }
}

/// The unfinished tasks of the scope that workers run, by worker.
async fn tasks(workers: impl IntoIterator<Item = Uuid>, reader: &Reader<'_>) -> Result<HashMap<Uuid, Uuid>> {
    use task::Column as Of;
    let running: Vec<(Uuid, Uuid)> = reader
        .scope
        .rows::<task::Entity>()
        .filter(Of::WorkerId.is_in(workers))
        .filter(Of::State.is_in([task::TaskState::Running, task::TaskState::Canceling]))
        .select_only()
        .columns([Of::WorkerId, Of::PulpId])
        .into_tuple()
        .all(reader.db)
        .await?;
    Ok(running.into_iter().collect())
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let workers = Arc::new(resource());
    vec![resource::list(&workers), resource::read(&workers)]
}

fn resource() -> Resource<Workers> {
    let mut filters = [
        filter::names("name", Column::Name),
        filter::dates("last_heartbeat", process_beat::Column::LastHeartbeat),
        filter::ids(&kind::WORKER, Column::PulpId),
    ]
    .concat();
    filters.extend([beating("online", true), beating("missing", false)]);
    let mut workers = Resource { filters, ..Resource::new(&kind::WORKER) }
        .with(|rows| {
            let beat = Entity::belongs_to(process_beat::Entity)
                .from(Column::PulpId)
                .to(process_beat::Column::ProcessId);
            rows.join(JoinType::InnerJoin, beat.into())
                .filter(Column::Kind.is_in(["worker", "resource-manager"]))
                .filter(Column::GoneAt.is_null())
        })
        .ordered_by([
            ("name", Column::Name),
            ("pulp_created", Column::PulpCreated),
            ("pulp_id", Column::PulpId),
            ("pulp_last_updated", Column::PulpLastUpdated),
            ("versions", Column::Versions),
        ]);
    workers = workers.ordered_by([("last_heartbeat", process_beat::Column::LastHeartbeat)]);
    workers
}

/// Whether a worker has been heard of lately.
fn beating(name: &'static str, when: bool) -> Filter {
    Filter::new(name, simple(Type::Boolean, None), "", move |value, reader| {
        let wanted = match value.to_ascii_lowercase().as_str() {
            "true" | "1" => when,
            "false" | "0" => !when,
            _ => return Err(Error::field(name, "Must be a valid boolean.")),
        };
        let silence = TimeDelta::from_std(reader.settings.worker_ttl).unwrap_or(TimeDelta::MAX);
        let oldest = Utc::now().checked_sub_signed(silence).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let beat = process_beat::Column::LastHeartbeat;
        Ok(if wanted { beat.gt(oldest) } else { beat.lte(oldest) })
    })
}
