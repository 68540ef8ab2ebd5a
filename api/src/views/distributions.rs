//! Distributions of all types (P15), and what those of one type have in common (C25 to C28).

mod rules;

use std::marker::PhantomData;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entities::distribution::{Column, Entity, Model};
use entities::{Kind, content, publication, repository, repository_version as version};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Query};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, JoinType, QuerySelect, Select};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::membership;
use crate::field::{Boolean, Field, Nothing, Reference, Version};
use crate::filter::{self, Filter};
use crate::reader::Reader;
use crate::resource::{self, Resource};
use crate::view::{Details, Labels, Link, Name, NoDetails, Time, TypedIdentity, View};
use crate::{Endpoint, Result};

/// The kind under which distributions of any type are listed.
static ANY: Kind = Kind::core("Distribution", "distribution", "distributions");

/// A distribution with what it serves.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Row {
    /// The distribution.
    #[sea_orm(nested)]
    pub distribution: Model,
    repository_type: Option<String>,
    publication_type: Option<String>,
    publication_created: Option<DateTime<Utc>>,
    version_number: Option<i32>,
    version_created: Option<DateTime<Utc>>,
    version_repository: Option<Uuid>,
    version_type: Option<String>,
}

impl Row {
    /// The href of the publication that is served.
    pub fn publication(&self, reader: &Reader<'_>) -> Option<Link> {
        let (pulp_type, id) = self.publication_type.as_deref().zip(self.distribution.publication_id)?;
        reader.links.typed("publication", pulp_type, id).map(Link)
    }

    fn repository(&self, reader: &Reader<'_>) -> Option<Link> {
        let (pulp_type, id) = self.repository_type.as_deref().zip(self.distribution.repository_id)?;
        reader.links.typed("repository", pulp_type, id).map(Link)
    }

    fn version(&self, reader: &Reader<'_>) -> Option<Link> {
        let (pulp_type, number) = self.version_type.as_deref().zip(self.version_number)?;
        reader.links.version(pulp_type, self.version_repository?, number).map(Link)
    }

    /// Since when what is served has certainly been the same: only known of what cannot change by itself.
    fn unchanged_since(&self) -> Option<Time> {
        let source = self.publication_created.or(self.version_created)?;
        Some(Ord::max(source, self.distribution.pulp_last_updated).into())
    }
}

/// A distribution as clients see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Body<D> {
    #[serde(flatten)]
    identity: TypedIdentity,
    base_path: String,
    base_url: String,
    content_guard: Option<Link>,
    content_guard_prn: Option<Name>,
    #[schema(value_type = Option<String>)]
    no_content_change_since: Option<Time>,
    hidden: bool,
    pulp_labels: Labels,
    name: String,
    repository: Option<Link>,
    repository_version: Option<Link>,
    /// What is special to its type.
    #[serde(flatten)]
    #[schema(inline)]
    details: D,
}

/// How distributions are read and shown.
#[derive(Debug)]
pub struct Distributions<D>(PhantomData<fn() -> D>);

impl<D: Details<Row>> View for Distributions<D> {
    type Entity = Entity;
    type Row = Row;
    type Body = Body<D>;

    fn select(rows: Select<Entity>) -> Select<Entity> {
        let repository =
            Entity::belongs_to(repository::Entity).from(Column::RepositoryId).to(repository::Column::PulpId);
        let publication = Entity::belongs_to(publication::Entity)
            .from(Column::PublicationId)
            .to(publication::Column::PulpId);
        let version =
            Entity::belongs_to(version::Entity).from(Column::RepositoryVersionId).to(version::Column::PulpId);
        let of_version = version::Entity::belongs_to(repository::Entity)
            .from(version::Column::RepositoryId)
            .to(repository::Column::PulpId);
        let versioned = Alias::new("versioned");
        rows.join(JoinType::LeftJoin, repository.into())
            .join(JoinType::LeftJoin, publication.into())
            .join(JoinType::LeftJoin, version.into())
            .join_as(JoinType::LeftJoin, of_version.into(), versioned.clone())
            .column_as(repository::Column::PulpType, "repository_type")
            .column_as(publication::Column::PulpType, "publication_type")
            .column_as(publication::Column::PulpCreated, "publication_created")
            .column_as(version::Column::Number, "version_number")
            .column_as(version::Column::PulpCreated, "version_created")
            .column_as(version::Column::RepositoryId, "version_repository")
            .expr_as(Expr::col((versioned, repository::Column::PulpType)), "version_type")
    }

    async fn show(rows: Vec<Row>, reader: &Reader<'_>) -> Result<Vec<Body<D>>> {
        rows.into_iter().map(|row| show(row, reader)).collect()
    }
}

fn show<D: Details<Row>>(row: Row, reader: &Reader<'_>) -> Result<Body<D>> {
    let (details, repository, version) = (D::of(&row, reader)?, row.repository(reader), row.version(reader));
    let no_content_change_since = row.unchanged_since();
    let identity = TypedIdentity::of("distribution", &row.distribution.pulp_type, &row.distribution, reader);
    let origin = reader.settings.content_origin.as_deref().unwrap_or_default().trim_end_matches('/');
    let base_url = format!("{origin}{}{}/", reader.settings.content_path_prefix, row.distribution.base_path);
    Ok(Body {
        identity,
        base_path: row.distribution.base_path,
        base_url,
        // There are no content guards yet.
        content_guard: None,
        content_guard_prn: None,
        no_content_change_since,
        hidden: row.distribution.hidden,
        pulp_labels: Labels(row.distribution.pulp_labels),
        name: row.distribution.name,
        repository,
        repository_version: version,
        details,
    })
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut distributions = resource::<NoDetails>(&ANY);
    distributions.filters.extend(filter::types(Column::PulpType));
    vec![resource::list(&Arc::new(distributions))]
}

/// Distributions of one kind, without the fields that are special to it.
pub fn resource<D: Details<Row>>(kind: &'static Kind) -> Resource<Distributions<D>> {
    let fields = vec![
        Field::text("base_path").required().unique(),
        // There are no content guards yet: only null can be given.
        Field::argument("content_guard", Nothing).nullable(),
        Field::new("hidden", Boolean).default(false),
        Field::labels(),
        Field::text("name").required().unique(),
        Field::new("repository", Reference::<repository::Entity>::any())
            .in_column("repository_id")
            .nullable(),
        Field::new("repository_version", Version).in_column("repository_version_id").nullable(),
    ];
    Resource { fields, filters: filters(), rule: Some(rules::check), ..Resource::new(kind) }.ordered_by([
        ("base_path", Column::BasePath),
        ("checkpoint", Column::Checkpoint),
        ("hidden", Column::Hidden),
        ("name", Column::Name),
        ("pulp_created", Column::PulpCreated),
        ("pulp_id", Column::PulpId),
        ("pulp_labels", Column::PulpLabels),
        ("pulp_last_updated", Column::PulpLastUpdated),
        ("pulp_type", Column::PulpType),
    ])
}

/// The operations on distributions of a type.
pub fn operations<D: Details<Row>>(distributions: &Arc<Resource<Distributions<D>>>) -> Vec<Endpoint> {
    let mut endpoints = vec![
        resource::list(distributions),
        resource::create_in_task(distributions),
        resource::read(distributions),
        resource::destroy_in_task(distributions),
    ];
    endpoints.extend(resource::updates_in_task(distributions));
    endpoints.extend(resource::labels(distributions));
    endpoints
}

fn filters() -> Vec<Filter> {
    let mut filters = [
        filter::names("name", Column::Name),
        filter::texts("base_path", Column::BasePath, &["", "contains", "icontains", "in"]),
        filter::ids(&ANY, Column::PulpId),
    ]
    .concat();
    filters.extend([
        filter::label_select(Column::PulpLabels),
        filter::boolean("checkpoint", |wanted| Column::Checkpoint.eq(wanted)),
        filter::reference::<repository::Entity>("repository", Column::RepositoryId),
        filter::referring_any("repository__in", "repository", |ids| Column::RepositoryId.is_in(ids)),
        filter::referring::<content::Entity>("with_content", serves),
    ]);
    filters
}

/// That a unit is in what is served: a version, that of a publication, or the latest of a repository.
fn serves(unit: Uuid) -> Expr {
    let of_publication = Query::select()
        .column(publication::Column::RepositoryVersionId)
        .from(publication::Entity)
        .and_where(publication::Column::PulpId.into_expr().eq(Column::PublicationId.into_expr()))
        .take();
    let latest = Alias::new("latest");
    let latest_column = |column: version::Column| Expr::col((latest.clone(), column));
    let of_repository = Query::select()
        .expr(latest_column(version::Column::PulpId))
        .from_as(version::Entity, latest.clone())
        .and_where(latest_column(version::Column::RepositoryId).eq(Column::RepositoryId.into_expr()))
        .and_where(latest_column(version::Column::Complete).eq(true))
        .order_by((latest.clone(), version::Column::Number), sea_orm::Order::Desc)
        .limit(1)
        .take();
    let served = Func::coalesce([
        Column::RepositoryVersionId.into_expr(),
        Expr::from(of_publication),
        Expr::from(of_repository),
    ]);
    let holds = membership::of_version(
        version::Column::RepositoryId.into_expr(),
        version::Column::Number.into_expr(),
    );
    Expr::exists(
        Query::select()
            .expr(Expr::val(1))
            .from(version::Entity)
            .and_where(version::Column::PulpId.into_expr().eq(served))
            .and_where(holds.having(unit))
            .take(),
    )
}
