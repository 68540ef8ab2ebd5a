//! Repository versions: of all repositories (P12) and of one (P11).

use std::collections::BTreeMap;
use std::sync::Arc;

use entities::repository_version::{Column, Entity, Model};
use entities::{Href, Kind, Reference, content, kind, repository};
use http::Method;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, JoinType, PaginatorTrait, QueryFilter, QuerySelect, Select,
};
use serde::Serialize;
use serde_json::Value;
use tasking::tasks::repository::DeleteVersion;
use tasking::version::served_by;
use utoipa::ToSchema;
use uuid::Uuid;

use super::membership;
use crate::filter::{self, Filter, bad_reference};
use crate::reader::Reader;
use crate::resource::{self, Resource, integer_key, sharing};
use crate::schema;
use crate::view::{Link, Name, Time, View};
use crate::{Endpoint, Error, Request, Response, Result};

/// A version, the type of its repository, and what the href of its base needs.
#[derive(Debug, FromQueryResult)]
struct Row {
    #[sea_orm(nested)]
    version: Model,
    repository_type: String,
    base_number: Option<i32>,
    base_repository: Option<Uuid>,
    base_type: Option<String>,
}

/// A version as clients see it.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    pulp_href: Option<Link>,
    prn: Name,
    pulp_created: Time,
    pulp_last_updated: Time,
    number: i32,
    repository: Option<Link>,
    base_version: Option<Link>,
    content_summary: Summary,
}

/// How many units of each type a version has, and those it added and removed (C14).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ContentSummaryResponse)]
struct Summary {
    added: Counts,
    removed: Counts,
    present: Counts,
}

type Counts = BTreeMap<String, Count>;

/// Units of one type, and the list of them.
#[derive(Debug, Serialize, ToSchema)]
struct Count {
    count: Value,
    href: Option<String>,
}

struct Versions;

impl View for Versions {
    type Entity = Entity;
    type Row = Row;
    type Body = Body;

    fn select(rows: Select<Entity>) -> Select<Entity> {
        let (base, of_base) = (Alias::new("base"), Alias::new("base_repository_row"));
        let to_base = Entity::belongs_to(Entity).from(Column::BaseVersionId).to(Column::PulpId);
        let mut to_repository = sea_orm::RelationDef::from(
            Entity::belongs_to(repository::Entity).from(Column::RepositoryId).to(repository::Column::PulpId),
        );
        to_repository = to_repository.from_alias(base.clone());
        rows.column_as(repository::Column::PulpType, "repository_type")
            .join_as(JoinType::LeftJoin, to_base.into(), base.clone())
            .join_as(JoinType::LeftJoin, to_repository, of_base.clone())
            .expr_as(Expr::col((base.clone(), Column::Number)), "base_number")
            .expr_as(Expr::col((base, Column::RepositoryId)), "base_repository")
            .expr_as(Expr::col((of_base, repository::Column::PulpType)), "base_type")
    }

    async fn show(rows: Vec<Row>, reader: &Reader<'_>) -> Result<Vec<Body>> {
        Ok(rows.into_iter().map(|row| show(row, reader)).collect())
    }
}

fn show(row: Row, reader: &Reader<'_>) -> Body {
    let (links, version) = (reader.links, row.version);
    let own = links.version(&row.repository_type, version.repository_id, version.number);
    let base = row.base_type.zip(row.base_repository).zip(row.base_number);
    let base = base.and_then(|((pulp_type, id), number)| links.version(&pulp_type, id, number));
    let part = |name: &str, parameter: &str| {
        counts(&version.content_counts[name], |pulp_type| {
            let kind = links.kinds().of("content", pulp_type)?;
            Some(format!(
                "{}?{parameter}={}",
                links.path(&format!("{}/", kind.path)),
                own.as_ref().map(Href::as_str)?
            ))
        })
    };
    Body {
        prn: Name(kind::REPOSITORY_VERSION.prn(version.pulp_id)),
        pulp_created: version.pulp_created.into(),
        pulp_last_updated: version.pulp_last_updated.into(),
        number: version.number,
        repository: links.typed("repository", &row.repository_type, version.repository_id).map(Link),
        base_version: base.map(Link),
        content_summary: Summary {
            added: part("added", "repository_version_added"),
            removed: part("removed", "repository_version_removed"),
            present: part("present", "repository_version"),
        },
        pulp_href: own.map(Link),
    }
}

fn counts(counts: &Value, list: impl Fn(&str) -> Option<String>) -> Counts {
    let counts = counts.as_object().into_iter().flatten();
    counts
        .map(|(pulp_type, count)| (pulp_type.clone(), Count { count: count.clone(), href: list(pulp_type) }))
        .collect()
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![resource::list(&Arc::new(base()))]
}

/// The versions of a type of repository: list, read, delete.
pub fn of(repository: &'static Kind) -> Vec<Endpoint> {
    let mut versions = base();
    versions.operation = format!("{}_versions", repository.operation());
    versions.tag = format!("{} Versions", repository.tag());
    let href = repository.href_parameter();
    versions.href = format!("{}_version_href", href.trim_end_matches("_href"));
    versions.keys = vec![integer_key(Column::Number)];
    let of_type = repository::Column::PulpType.eq(repository.pulp_type.unwrap_or_default());
    let versions = versions
        .below::<repository::Entity>(repository, "versions", Column::RepositoryId)
        .with(move |rows| rows.filter(of_type.clone()));
    let versions = Arc::new(versions);
    vec![resource::list(&versions), resource::read(&versions), deletion(repository, &versions)]
}

fn base() -> Resource<Versions> {
    Resource {
        filters: filters(),
        default_order: vec![(Column::Number.into_expr(), Order::Desc)],
        ..Resource::new(&kind::REPOSITORY_VERSION)
    }
    .with(|rows| rows.filter(Column::Complete.eq(true)))
    .ordered_by([
        ("complete", Column::Complete),
        ("number", Column::Number),
        ("pulp_created", Column::PulpCreated),
        ("pulp_id", Column::PulpId),
        ("pulp_last_updated", Column::PulpLastUpdated),
    ])
}

fn filters() -> Vec<Filter> {
    let members = || membership::of_version(Column::RepositoryId.into_expr(), Column::Number.into_expr());
    let mut filters = [
        filter::integers("number", Column::Number, &["", "gt", "gte", "lt", "lte", "range"]),
        filter::dates("pulp_created", Column::PulpCreated),
    ]
    .concat();
    filters.extend([
        filter::referring::<content::Entity>("content", move |unit| members().having(unit)),
        filter::referring_any("content__in", "content", move |units| members().having_any(units)),
        references("pulp_href__in"),
        references("prn__in"),
    ]);
    filters
}

/// Versions by hrefs, which name repository and number, or by PRNs.
fn references(name: &'static str) -> Filter {
    let description = "Multiple values may be separated by commas.";
    Filter::list(name, schema::text(None), description, move |values, reader| {
        let term = |value: &str| match reader.links.parse(value) {
            Some(Reference::Version { repository, number, .. }) => {
                Ok(Column::RepositoryId.eq(repository).and(Column::Number.eq(number)))
            }
            Some(Reference::Object { kind, id }) if kind.table == "repository_version" => {
                Ok(Column::PulpId.eq(id))
            }
            _ => Err(bad_reference(name)),
        };
        let terms = values.into_iter().map(term).collect::<Result<Vec<Expr>>>()?;
        Ok(terms.into_iter().reduce(Expr::or).unwrap_or_else(|| Expr::val(false)))
    })
    .with_nothing()
}

fn deletion(repository: &'static Kind, versions: &Arc<Resource<Versions>>) -> Endpoint {
    let handler = sharing(versions, move |versions: Arc<Resource<Versions>>, request: Request| async move {
        delete(repository, &versions, request).await
    });
    versions
        .action(Method::DELETE, "", "delete", versions.permission("delete"), handler)
        .summary("Delete a repository version; the content of the others stays as it is")
        .answer_task()
}

async fn delete(kind: &'static Kind, versions: &Resource<Versions>, request: Request) -> Result<Response> {
    let version = versions.find(&request).await?;
    let of_repository = request.scope.rows::<Entity>().filter(Column::RepositoryId.eq(version.repository_id));
    if of_repository.filter(Column::Complete.eq(true)).count(request.db()).await? < 2 {
        return Err(Error::object(
            "Cannot delete repository version. Repositories must have at least one repository version.",
        ));
    }
    if let Some(name) = served_by(request.db(), version.repository_id, version.pulp_id).await? {
        return Err(Error::object(format!(
            "Cannot delete repository version. It is currently being used to distribute content, by the \
             distribution '{name}': change that one first.",
        )));
    }
    let (repository, model, number) = (version.repository_id, kind.model(), version.number);
    request.dispatch(&DeleteVersion { repository, model, number }).await
}
