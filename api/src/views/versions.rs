//! Repository versions: of all repositories (P12) and of one (P11).

use std::sync::Arc;

use entities::{Kind, db, kind};
use http::{Method, StatusCode};
use sea_orm::ConnectionTrait;
use tasking::tasks::repository::DeleteVersion;
use uuid::Uuid;

use crate::field::{Field, Shape};
use crate::filter::{self, Filter};
use crate::request::AsyncOperationResponse;
use crate::schema::{self, Component};
use crate::viewset::{self, Key, Viewset};
use crate::{Endpoint, Error, Request, Response, Result, sql};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let versions = base("repository_versions", "Repository_Versions", "repository_version_href");
    vec![viewset::list(&Arc::new(versions))]
}

/// The versions of a type of repository: list, read, delete.
pub fn of(
    repository: &'static Kind,
    operation: &'static str,
    tag: &'static str,
    href: &'static str,
    list_template: &'static str,
) -> Vec<Endpoint> {
    let mut viewset = base(operation, tag, href);
    viewset.path = format!("{}/{{repository}}/versions/", repository.path);
    viewset.list_template = Some(list_template);
    viewset.keys = &[Key::Id("t.repository_id"), Key::Number("t.number")];
    viewset.scope.push(format!("r.pulp_type = '{}'", repository.pulp_type));
    viewset.parent = Some(format!(
        "SELECT 1 AS found FROM repository
         WHERE pulp_id = $1 AND pulp_domain_id = $2 AND pulp_type = '{}'",
        repository.pulp_type
    ));
    let viewset = Arc::new(viewset);
    vec![viewset::list(&viewset), viewset::read(&viewset), deletion(repository, &viewset)]
}

fn base(operation: &'static str, tag: &'static str, href: &'static str) -> Viewset {
    let own = sql::version_of("r", "t.number");
    let fields = vec![
        Field::shown("pulp_href", Shape::Version, own.clone()),
        Field::shown("prn", Shape::Text(None), sql::prn("repository_version", "t")),
        Field::shown("pulp_created", Shape::Time, sql::timestamp("t.pulp_created")),
        Field::shown("pulp_last_updated", Shape::Time, sql::timestamp("t.pulp_last_updated")),
        Field::shown("number", Shape::Integer(None, None), "t.number"),
        Field::shown("repository", Shape::Reference("repository"), sql::href("repository", "r")),
        Field::shown("base_version", Shape::Version, sql::related_version("t.base_version_id")),
        Field::shown("content_summary", Shape::Component(summary_component), summary(&own)),
    ];
    Viewset {
        fields,
        filters: filters(),
        from: "repository_version AS t JOIN repository AS r ON r.pulp_id = t.repository_id".to_owned(),
        domain: Some("r.pulp_domain_id"),
        scope: vec!["t.complete".to_owned()],
        default_order: "t.number DESC",
        ..Viewset::new(&kind::REPOSITORY_VERSION, operation, "RepositoryVersion", tag, href)
    }
    .ordered_by(&["complete", "number", "pulp_created", "pulp_id", "pulp_last_updated"])
}

fn summary_component() -> Component {
    let part = || {
        let anything = schema::simple(utoipa::openapi::Type::Object, None);
        schema::simple(utoipa::openapi::Type::Object, None)
            .additional_properties(Some(utoipa::openapi::Schema::from(anything)))
    };
    let mut object = utoipa::openapi::ObjectBuilder::new();
    for name in ["added", "removed", "present"] {
        object = object.property(name, part()).required(name);
    }
    Component::new("ContentSummaryResponse", utoipa::openapi::Schema::from(object))
}

/// The numbers of a version, with the lists they count (C14).
fn summary(href: &str) -> String {
    let lists: Vec<String> = kind::all()
        .filter(|kind| kind.table == "content")
        .map(|kind| format!("WHEN '{}' THEN '{}{}/'", kind.pulp_type, entities::href::API_ROOT, kind.path))
        .collect();
    let list = match lists.is_empty() {
        true => "NULL::text".to_owned(),
        false => format!("CASE e.key {} END", lists.join(" ")),
    };
    let part = |name: &str, parameter: &str| {
        format!(
            "'{name}', (SELECT coalesce(json_object_agg(e.key, json_build_object('count', e.value,
                 'href', {list} || '?{parameter}=' || {href})), '{{}}')
              FROM jsonb_each(coalesce(t.content_counts -> '{name}', '{{}}')) AS e)"
        )
    };
    format!(
        "json_build_object({}, {}, {})",
        part("added", "repository_version_added"),
        part("removed", "repository_version_removed"),
        part("present", "repository_version")
    )
}

fn filters() -> Vec<Filter> {
    let holds = |content: &str| {
        format!(
            "EXISTS (SELECT FROM repository_content AS rc WHERE rc.repository_id = t.repository_id
                     AND rc.content_id = {content} AND rc.version_added <= t.number
                     AND (rc.version_removed IS NULL OR rc.version_removed > t.number))"
        )
    };
    let mut filters = [
        filter::integers("number", "t.number", &["", "gt", "gte", "lt", "lte", "range"]),
        filter::dates("pulp_created", "t.pulp_created"),
    ]
    .concat();
    filters.extend([
        filter::referring("content", "content", holds("{}"), None),
        filter::referring_any("content__in", "content", holds("ANY({})")),
        references("pulp_href__in"),
        references("prn__in"),
    ]);
    filters
}

/// Versions by hrefs, which name repository and number, or by PRNs.
fn references(name: &'static str) -> Filter {
    use entities::Reference;
    let description = "Multiple values may be separated by commas.";
    Filter::list(name, schema::text(None), description, move |values, conditions| {
        let mut terms = vec!["false".to_owned()];
        for value in values {
            terms.push(match Reference::parse(value) {
                Some(Reference::Version { repository, number, .. }) => {
                    let (repository, number) = (conditions.bind(repository), conditions.bind(number));
                    format!("(t.repository_id = {repository} AND t.number = {number})")
                }
                Some(Reference::Object { kind, id }) if kind.table == "repository_version" => {
                    format!("t.pulp_id = {}", conditions.bind(id))
                }
                _ => return Err(sql::bad_reference(name)),
            });
        }
        conditions.push(format!("({})", terms.join(" OR ")));
        Ok(())
    })
}

fn deletion(repository: &'static Kind, versions: &Arc<Viewset>) -> Endpoint {
    let shared = versions.clone();
    let handler = move |request: Request| {
        let versions = shared.clone();
        async move { delete(repository, &versions, request).await }
    };
    versions
        .action(Method::DELETE, "", "delete", handler)
        .summary("Deletes a version; the content of the others stays as it is.")
        .answer(StatusCode::ACCEPTED, Component::of::<AsyncOperationResponse>())
}

async fn delete(kind: &'static Kind, versions: &Viewset, request: Request) -> Result<Response> {
    versions.show(&request).await?;
    let (repository, number): (Uuid, i32) = (request.id()?, request.parsed(1)?);
    let sql =
        "SELECT (SELECT count(*) FROM repository_version WHERE repository_id = $1 AND complete) AS versions,
                      EXISTS (SELECT FROM distribution JOIN repository_version AS v
                              ON v.pulp_id = distribution.repository_version_id
                              WHERE v.repository_id = $1 AND v.number = $2) AS is_served";
    let row = request.context.pulp.db.query_one_raw(db::sql(sql, [repository.into(), number.into()])).await?;
    let row = row.ok_or_else(|| Error::not_found("repository_version", number))?;
    if row.try_get::<i64>("", "versions")? < 2 {
        return Err(Error::object(
            "Cannot delete repository version. Repositories must have at least one repository version.",
        ));
    }
    if row.try_get("", "is_served")? {
        return Err(Error::object("Cannot delete repository version. A distribution serves it."));
    }
    let pulp_type = kind.pulp_type.to_owned();
    request.dispatch(&DeleteVersion { repository, pulp_type, number }).await
}
