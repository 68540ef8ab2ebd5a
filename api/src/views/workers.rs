//! Workers and the resource manager that leads (P04, T72).

use std::sync::Arc;

use entities::kind;
use utoipa::openapi::Type;

use crate::field::{Field, Shape, identity};
use crate::filter::{self, Filter};
use crate::schema::simple;
use crate::viewset::{self, Viewset};
use crate::{Endpoint, Error, sql};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let workers = Arc::new(viewset());
    vec![viewset::list(&workers), viewset::read(&workers)]
}

fn viewset() -> Viewset {
    let current = format!(
        "(SELECT {} FROM task AS c WHERE c.worker_id = t.pulp_id AND c.finished_at IS NULL LIMIT 1)",
        sql::href("task", "c")
    );
    let mut fields = identity("process");
    fields.extend([
        Field::shown("name", Shape::Text(None), "t.name"),
        Field::shown("last_heartbeat", Shape::Time, sql::timestamp("b.last_heartbeat")),
        Field::shown("versions", Shape::Labels, "t.versions"),
        Field::shown("current_task", Shape::Reference("task"), current),
    ]);
    let mut filters = [
        filter::names("name", "t.name"),
        filter::dates("last_heartbeat", "b.last_heartbeat"),
        filter::ids("process", "t.pulp_id"),
    ]
    .concat();
    filters.extend([beating("online", true), beating("missing", false)]);
    let mut viewset = Viewset {
        fields,
        filters,
        from: "process AS t JOIN process_beat AS b ON b.process_id = t.pulp_id".to_owned(),
        domain: None,
        scope: vec!["t.kind IN ('worker', 'resource-manager')".into(), "t.gone_at IS NULL".into()],
        ..Viewset::new(&kind::WORKER, "workers", "Worker", "Workers", "worker_href")
    }
    .ordered_by(&["name", "pulp_created", "pulp_id", "pulp_last_updated", "versions"]);
    viewset.orderings.push(("last_heartbeat", "b.last_heartbeat".into()));
    viewset
}

/// Whether a worker has been heard of lately.
fn beating(name: &'static str, when: bool) -> Filter {
    Filter::new(name, simple(Type::Boolean, None), "", move |value, conditions| {
        let wanted = match value.to_ascii_lowercase().as_str() {
            "true" | "1" => when,
            "false" | "0" => !when,
            _ => return Err(Error::field(name, "Must be a valid boolean.")),
        };
        let operator = if wanted { ">" } else { "<=" };
        let seconds = conditions.bind(conditions.worker_ttl);
        conditions.push(format!(
            "b.last_heartbeat {operator} clock_timestamp() - make_interval(secs => {seconds}::float8)"
        ));
        Ok(())
    })
}
