//! Content of all types (P07), and what the lists of one type have in common.

use std::sync::Arc;

use entities::Kind;
use utoipa::openapi::Type;

use crate::Endpoint;
use crate::field::{Field, Shape, identity, labels};
use crate::filter::{self, Filter};
use crate::schema::simple;
use crate::sql;
use crate::viewset::{self, Viewset};

/// The kind under which content of any type is listed.
static ANY: Kind = Kind { table: "content", pulp_type: "", model: "core.content", path: "content" };

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut fields = identity("content");
    let artifacts = format!(
        "(SELECT coalesce(json_object_agg(f.relative_path, {}), '{{}}') FROM content_artifact AS f
          WHERE f.content_id = t.pulp_id)",
        sql::related("artifact", "f.artifact_id")
    );
    fields.push(labels());
    fields.push(Field { required: true, ..Field::shown("artifacts", Shape::Map, artifacts) });
    let content = Viewset {
        fields,
        filters: [filters(), filter::types("t.pulp_type")].concat(),
        ..Viewset::new(&ANY, "content", "MultipleArtifactContent", "Content", "content_href")
    }
    .ordered_by(&["pulp_created", "pulp_id"]);
    vec![viewset::list(&Arc::new(content))]
}

/// The filters of every list of content; it has to be called `t`.
pub fn filters() -> Vec<Filter> {
    let mut filters = filter::ids("content", "t.pulp_id");
    let changed = |column: &str| {
        format!(
            "t.pulp_id IN (SELECT rc.content_id FROM repository_content AS rc
                           WHERE rc.repository_id = {{r}} AND rc.{column} = {{n}})"
        )
    };
    filters.extend([
        filter::label_select("t.pulp_labels"),
        filter::version("repository_version", sql::is_in_version("t.pulp_id", "{r}", "{n}")),
        filter::version("repository_version_added", changed("version_added")),
        filter::version("repository_version_removed", changed("version_removed")),
        orphaned_for("NOT EXISTS (SELECT FROM repository_content AS rc WHERE rc.content_id = t.pulp_id)"),
    ]);
    filters
}

/// What has been an orphan for so many minutes.
pub(super) fn orphaned_for(is_orphan: &'static str) -> Filter {
    let description = "Minutes for which it has belonged to nothing.";
    Filter::new("orphaned_for", simple(Type::Number, None), description, move |value, conditions| {
        let minutes: f64 = sql::number("orphaned_for", value)?;
        let seconds = conditions.bind(minutes.clamp(0.0, 1e9) * 60.0);
        conditions.push(format!(
            "t.timestamp_of_interest < clock_timestamp() - make_interval(secs => {seconds}::float8)"
        ));
        conditions.push(is_orphan);
        Ok(())
    })
}
