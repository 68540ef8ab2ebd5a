//! Schedules of tasks: list and read (P33, T67).

use std::sync::Arc;

use entities::kind;
use entities::task_schedule::{Column, Entity, Model};
use serde::Serialize;
use utoipa::ToSchema;

use crate::filter;
use crate::reader::Reader;
use crate::resource::{self, Resource};
use crate::view::{Duration, Identity, Link, Time, View};
use crate::{Endpoint, Result};

/// A schedule as clients see it.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    #[serde(flatten)]
    identity: Identity,
    name: String,
    task_name: String,
    dispatch_interval: Option<Duration>,
    next_dispatch: Option<Time>,
    last_task: Option<Link>,
}

struct Schedules;

impl View for Schedules {
    type Entity = Entity;
    type Row = Model;
    type Body = Body;

    async fn show(rows: Vec<Model>, reader: &Reader<'_>) -> Result<Vec<Body>> {
        let show = |row: Model| Body {
            identity: Identity::of(&kind::TASK_SCHEDULE, &row, reader),
            name: row.name,
            task_name: row.task_name,
            dispatch_interval: row.dispatch_interval.map(Duration),
            next_dispatch: row.next_dispatch.map(Time),
            last_task: row.last_task_id.map(|id| Link(reader.links.href(&kind::TASK, id))),
        };
        Ok(rows.into_iter().map(show).collect())
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let schedules = Arc::new(resource());
    vec![resource::list(&schedules), resource::read(&schedules)]
}

fn resource() -> Resource<Schedules> {
    let filters = [
        filter::texts("name", Column::Name, &["", "contains"]),
        filter::texts("task_name", Column::TaskName, &["", "contains"]),
        filter::ids(&kind::TASK_SCHEDULE, Column::PulpId),
    ]
    .concat();
    Resource { filters, ..Resource::new(&kind::TASK_SCHEDULE) }.ordered_by([
        ("dispatch_interval", Column::DispatchInterval),
        ("name", Column::Name),
        ("next_dispatch", Column::NextDispatch),
        ("pulp_created", Column::PulpCreated),
        ("pulp_id", Column::PulpId),
        ("pulp_last_updated", Column::PulpLastUpdated),
        // All arguments have names.
        ("task_args", Column::Args),
        ("task_kwargs", Column::Args),
        ("task_name", Column::TaskName),
    ])
}
