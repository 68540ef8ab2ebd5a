//! Distributions of all types (P15), and what those of one type have in common (C25 to C28).

mod rules;

use std::sync::Arc;

use entities::Kind;

use crate::Endpoint;
use crate::field::{Field, Shape, identity, labels};
use crate::filter::{self, Filter};
use crate::sql;
use crate::viewset::{self, CONTENT_URL, Viewset};

/// The kind under which distributions of any type are listed.
static ANY: Kind =
    Kind { table: "distribution", pulp_type: "", model: "core.distribution", path: "distributions" };

pub(super) fn endpoints() -> Vec<Endpoint> {
    let distributions = Viewset {
        filters: [filters(), filter::types("t.pulp_type")].concat(),
        ..base(Viewset::new(&ANY, "distributions", "Distribution", "Distributions", "distribution_href"))
    };
    vec![viewset::list(&Arc::new(distributions))]
}

/// A type of distribution, without what is special to it.
pub fn viewset(of: Viewset) -> Viewset {
    Viewset { filters: filters(), ..base(of) }.of_its_type()
}

fn base(of: Viewset) -> Viewset {
    let mut fields = identity("distribution");
    fields.extend([
        Field::text("base_path").required().unique(),
        Field::shown("base_url", Shape::Text(None), format!("{CONTENT_URL} || t.base_path || '/'")),
        // There are no content guards yet: only null can be given.
        Field {
            output: Some("NULL::text".to_owned()),
            ..Field::argument("content_guard", Shape::Reference("content_guard")).nullable()
        },
        Field::shown("content_guard_prn", Shape::Text(None), "NULL::text"),
        Field::shown("no_content_change_since", Shape::Text(None), unchanged_since()),
        Field::new("hidden", Shape::Boolean).default(false),
        labels(),
        Field::text("name").required().unique(),
        Field::reference("repository", "repository", "repository_id"),
        Field::version("repository_version", "repository_version_id"),
    ]);
    Viewset { fields, rule: Some(rules::check), ..of }.ordered_by(&[
        "base_path",
        "checkpoint",
        "hidden",
        "name",
        "pulp_created",
        "pulp_id",
        "pulp_labels",
        "pulp_last_updated",
        "pulp_type",
    ])
}

/// Since when what is served has certainly been the same: only known of what cannot change by itself.
fn unchanged_since() -> String {
    let since = |table: &str, column: &str| {
        format!("(SELECT x.pulp_created FROM {table} AS x WHERE x.pulp_id = t.{column})")
    };
    let source = format!(
        "coalesce({}, {})",
        since("publication", "publication_id"),
        since("repository_version", "repository_version_id")
    );
    let time = sql::timestamp(&format!("greatest({source}, t.pulp_last_updated)"));
    format!("CASE WHEN {source} IS NOT NULL THEN {time} END")
}

fn filters() -> Vec<Filter> {
    let mut filters = [
        filter::names("name", "t.name"),
        filter::texts("base_path", "t.base_path", &["", "contains", "icontains", "in"]),
        filter::ids("distribution", "t.pulp_id"),
    ]
    .concat();
    // What is served: a version, that of a publication, or the latest of a repository.
    let holds = "EXISTS (SELECT FROM repository_version AS v JOIN repository_content AS rc
                         ON rc.repository_id = v.repository_id AND rc.version_added <= v.number
                         AND (rc.version_removed IS NULL OR rc.version_removed > v.number)
                         WHERE rc.content_id = {} AND v.pulp_id = coalesce(t.repository_version_id,
                             (SELECT p.repository_version_id FROM publication AS p WHERE p.pulp_id = t.publication_id),
                             (SELECT l.pulp_id FROM repository_version AS l WHERE l.repository_id = t.repository_id
                              AND l.complete ORDER BY l.number DESC LIMIT 1)))";
    filters.extend([
        filter::label_select("t.pulp_labels"),
        filter::boolean("checkpoint", "t.checkpoint"),
        filter::reference("repository", "repository", "t.repository_id"),
        filter::referring_any("repository__in", "repository", "t.repository_id = ANY({})".to_owned()),
        filter::referring("with_content", "content", holds.to_owned(), None),
    ]);
    filters
}
