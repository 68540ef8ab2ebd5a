//! Repositories of all types (P09), and what those of one type have in common (P10).

mod modify;

use std::sync::Arc;

use entities::Kind;

pub use modify::modify;

use crate::Endpoint;
use crate::field::{Field, Shape, identity, labels};
use crate::filter::{self, Filter};
use crate::sql;
use crate::viewset::{self, Viewset};

/// The kind under which repositories of any type are listed.
static ANY: Kind =
    Kind { table: "repository", pulp_type: "", model: "core.repository", path: "repositories" };

pub(super) fn endpoints() -> Vec<Endpoint> {
    let repositories = Viewset {
        filters: [filters(), filter::types("t.pulp_type")].concat(),
        scope: vec!["NOT t.user_hidden".to_owned()],
        ..base(Viewset::new(&ANY, "repositories", "Repository", "Repositories", "repository_href"))
    };
    vec![viewset::list(&Arc::new(repositories))]
}

/// A type of repository, without what is special to it.
pub fn viewset(of: Viewset) -> Viewset {
    Viewset { filters: filters(), ..base(of) }.of_its_type()
}

fn base(of: Viewset) -> Viewset {
    let latest = "(SELECT max(v.number) FROM repository_version AS v WHERE v.repository_id = t.pulp_id AND v.complete)";
    let versions = format!("{} || 'versions/'", sql::href("repository", "t"));
    let mut fields = identity("repository");
    fields.extend([
        Field::shown("versions_href", Shape::Reference("repository_version"), versions),
        labels(),
        Field::shown("latest_version_href", Shape::Version, sql::version_of("t", latest)),
        Field::text("name").required().unique(),
        Field::text("description").nullable(),
        Field::new("retain_repo_versions", Shape::Integer(Some(1), Some(i32::MAX.into()))).nullable(),
        Field::new("retain_checkpoints", Shape::Integer(Some(1), Some(i32::MAX.into()))).nullable(),
        Field::reference("remote", "remote", "remote_id"),
    ]);
    Viewset { fields, default_order: "t.name", ..of }.ordered_by(&[
        "description",
        "name",
        "next_version",
        "pulp_created",
        "pulp_id",
        "pulp_labels",
        "pulp_last_updated",
        "pulp_type",
        "retain_checkpoints",
        "retain_repo_versions",
        "user_hidden",
    ])
}

fn filters() -> Vec<Filter> {
    const NUMBERS: &[&str] = &["", "gt", "gte", "isnull", "lt", "lte", "ne", "range"];
    let mut filters = [
        filter::names("name", "t.name"),
        filter::ids("repository", "t.pulp_id"),
        filter::integers("retain_repo_versions", "t.retain_repo_versions", NUMBERS),
        filter::integers("retain_checkpoints", "t.retain_checkpoints", NUMBERS),
    ]
    .concat();
    let holds = |more: &str| {
        format!(
            "EXISTS (SELECT FROM repository_content AS rc WHERE rc.repository_id = t.pulp_id
                     AND rc.content_id = {{}} AND rc.version_added < t.next_version{more})"
        )
    };
    let latest = " AND (rc.version_removed IS NULL OR rc.version_removed >= t.next_version)";
    filters.extend([
        filter::label_select("t.pulp_labels"),
        filter::reference("remote", "remote", "t.remote_id"),
        filter::referring("with_content", "content", holds(""), None),
        filter::referring("latest_with_content", "content", holds(latest), None),
    ]);
    filters
}
