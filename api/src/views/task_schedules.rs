//! Schedules of tasks: list and read (P33, T67).

use std::sync::Arc;

use entities::kind;

use crate::field::{Field, Shape, identity};
use crate::viewset::{self, Viewset};
use crate::{Endpoint, filter, sql};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let schedules = Arc::new(viewset());
    vec![viewset::list(&schedules), viewset::read(&schedules)]
}

fn viewset() -> Viewset {
    let text = |name: &'static str| Field {
        required: true,
        ..Field::shown(name, Shape::Text(None), format!("t.{name}"))
    };
    let next = sql::timestamp("t.next_dispatch");
    let mut fields = identity("task_schedule");
    fields.extend([
        text("name"),
        text("task_name"),
        Field {
            required: true,
            ..Field::shown("dispatch_interval", Shape::Text(None), sql::duration("t.dispatch_interval"))
        }
        .nullable(),
        Field::shown("next_dispatch", Shape::Time, next).nullable(),
        Field::shown("last_task", Shape::Reference("task"), sql::related("task", "t.last_task_id")),
    ]);
    let filters = [
        filter::texts("name", "t.name", &["", "contains"]),
        filter::texts("task_name", "t.task_name", &["", "contains"]),
        filter::ids("task_schedule", "t.pulp_id"),
    ]
    .concat();
    let mut viewset = Viewset {
        fields,
        filters,
        ..Viewset::new(
            &kind::TASK_SCHEDULE,
            "task_schedules",
            "TaskSchedule",
            "Task-Schedules",
            "task_schedule_href",
        )
    }
    .ordered_by(&[
        "dispatch_interval",
        "name",
        "next_dispatch",
        "pulp_created",
        "pulp_id",
        "pulp_last_updated",
        "task_name",
    ]);
    // All arguments have names.
    viewset.orderings.extend([("task_args", "t.args".into()), ("task_kwargs", "t.args".into())]);
    viewset
}
