//! Publications of all types (P14), and what those of one type have in common (C24).

mod creation;

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use entities::publication::{Column, Entity, Model};
use entities::{Kind, content, distribution, repository, repository_version as version};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QueryOrder, QuerySelect, Select,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub use creation::creation;

use super::membership;
use crate::field::{Field, Reference, Version};
use crate::filter::{self, Filter};
use crate::reader::Reader;
use crate::resource::{self, Resource};
use crate::view::{Details, Link, NoDetails, TypedIdentity, View};
use crate::{Endpoint, Result};

/// The kind under which publications of any type are listed.
static ANY: Kind = Kind::core("Publication", "publication", "publications");

/// A publication, its version, and the hrefs of the distributions that serve it.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Row {
    /// The publication.
    #[sea_orm(nested)]
    pub publication: Model,
    number: i32,
    repository_id: Uuid,
    repository_type: String,
    #[sea_orm(skip)]
    distributions: Vec<Link>,
}

impl Row {
    /// The distributions that serve it, oldest first.
    pub fn distributions(&self) -> Vec<Link> {
        self.distributions.clone()
    }
}

/// A publication as clients see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Body<D> {
    #[serde(flatten)]
    identity: TypedIdentity,
    repository_version: Option<Link>,
    repository: Option<Link>,
    /// What is special to its type.
    #[serde(flatten)]
    #[schema(inline)]
    details: D,
}

/// How publications are read and shown.
#[derive(Debug)]
pub struct Publications<D>(PhantomData<fn() -> D>);

impl<D: Details<Row>> View for Publications<D> {
    type Entity = Entity;
    type Row = Row;
    type Body = Body<D>;

    fn select(rows: Select<Entity>) -> Select<Entity> {
        let version =
            Entity::belongs_to(version::Entity).from(Column::RepositoryVersionId).to(version::Column::PulpId);
        let repository = version::Entity::belongs_to(repository::Entity)
            .from(version::Column::RepositoryId)
            .to(repository::Column::PulpId);
        rows.join(JoinType::InnerJoin, version.into())
            .join(JoinType::InnerJoin, repository.into())
            .column_as(version::Column::Number, "number")
            .column_as(version::Column::RepositoryId, "repository_id")
            .column_as(repository::Column::PulpType, "repository_type")
    }

    async fn show(mut rows: Vec<Row>, reader: &Reader<'_>) -> Result<Vec<Body<D>>> {
        let mut served = distributions(&rows, reader).await?;
        for row in &mut rows {
            row.distributions = served.remove(&row.publication.pulp_id).unwrap_or_default();
        }
        rows.into_iter().map(|row| show(row, reader)).collect()
    }
}

/// The distributions of the scope that serve publications, by publication.
async fn distributions(rows: &[Row], reader: &Reader<'_>) -> Result<HashMap<Uuid, Vec<Link>>> {
    use distribution::Column as Of;
    let ids = rows.iter().map(|row| row.publication.pulp_id);
    let found: Vec<(Uuid, Uuid, String)> = reader
        .scope
        .rows::<distribution::Entity>()
        .filter(Of::PublicationId.is_in(ids))
        .order_by_asc(Of::PulpCreated)
        .select_only()
        .columns([Of::PublicationId, Of::PulpId, Of::PulpType])
        .into_tuple()
        .all(reader.db)
        .await?;
    let mut by_publication: HashMap<Uuid, Vec<Link>> = HashMap::new();
    for (publication, id, pulp_type) in found {
        let link = reader.links.typed("distribution", &pulp_type, id).map(Link);
        by_publication.entry(publication).or_default().extend(link);
    }
    Ok(by_publication)
}

fn show<D: Details<Row>>(row: Row, reader: &Reader<'_>) -> Result<Body<D>> {
    let (links, details) = (reader.links, D::of(&row, reader)?);
    let identity = TypedIdentity::of("publication", &row.publication.pulp_type, &row.publication, reader);
    Ok(Body {
        identity,
        repository_version: links.version(&row.repository_type, row.repository_id, row.number).map(Link),
        repository: links.typed("repository", &row.repository_type, row.repository_id).map(Link),
        details,
    })
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut publications = resource::<NoDetails>(&ANY);
    publications.filters.extend(filter::types(Column::PulpType));
    vec![resource::list(&Arc::new(publications))]
}

/// Publications of one kind, without the fields that are special to it.
pub fn resource<D: Details<Row>>(kind: &'static Kind) -> Resource<Publications<D>> {
    let fields = vec![
        Field::argument("repository_version", Version),
        Field::argument("repository", Reference::<repository::Entity>::any()),
    ];
    Resource { fields, filters: filters(), ..Resource::new(kind) }
        .with(|rows| rows.filter(Column::Complete.eq(true)))
        .ordered_by([
            ("checkpoint", Column::Checkpoint),
            ("complete", Column::Complete),
            ("pass_through", Column::PassThrough),
            ("pulp_created", Column::PulpCreated),
            ("pulp_id", Column::PulpId),
            ("pulp_last_updated", Column::PulpLastUpdated),
            ("pulp_type", Column::PulpType),
        ])
}

/// The operations on publications of a type, but for their [`creation()`].
pub fn operations<D: Details<Row>>(publications: &Arc<Resource<Publications<D>>>) -> Vec<Endpoint> {
    vec![resource::list(publications), resource::read(publications), resource::destroy(publications)]
}

fn filters() -> Vec<Filter> {
    let mut filters =
        [filter::dates("pulp_created", Column::PulpCreated), filter::ids(&ANY, Column::PulpId)].concat();
    filters.extend([
        filter::boolean("checkpoint", |wanted| Column::Checkpoint.eq(wanted)),
        filter::version("repository_version", |repository, number| {
            let number = version::Column::Number.into_expr().eq(number);
            Column::RepositoryVersionId.in_subquery(versions(repository).and_where(number).take())
        }),
        filter::referring::<repository::Entity>("repository", |repository| {
            Column::RepositoryVersionId.in_subquery(versions(Expr::val(repository)))
        }),
        filter::referring::<content::Entity>("content", |unit| holds(|members| members.having(unit))),
        filter::referring_any("content__in", "content", |units| holds(|members| members.having_any(units))),
    ]);
    filters
}

/// The ids of the versions of a repository.
fn versions(repository: Expr) -> SelectStatement {
    Query::select()
        .column(version::Column::PulpId)
        .from(version::Entity)
        .and_where(version::Column::RepositoryId.into_expr().eq(repository))
        .take()
}

/// That the version of a publication has such members.
fn holds(such: impl FnOnce(membership::Members) -> Expr) -> Expr {
    let members = membership::of_version(
        version::Column::RepositoryId.into_expr(),
        version::Column::Number.into_expr(),
    );
    Expr::exists(
        Query::select()
            .expr(Expr::val(1))
            .from(version::Entity)
            .and_where(version::Column::PulpId.into_expr().eq(Column::RepositoryVersionId.into_expr()))
            .and_where(such(members))
            .take(),
    )
}
