//! Repositories of all types (P09), and what those of one type have in common (P10).

mod modify;
mod sync;

use std::marker::PhantomData;
use std::sync::Arc;

use entities::repository::{Column, Entity, Model};
use entities::{Kind, content, remote, repository_version as version};
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QuerySelect, Select};
use serde::Serialize;
use utoipa::ToSchema;

pub use modify::modify;
pub use sync::sync;

use super::{membership, versions};
use crate::field::{Field, Integer, Reference, Text};
use crate::filter::{self, Filter};
use crate::reader::Reader;
use crate::resource::{self, Resource};
use crate::view::{Details, Labels, Link, NoDetails, TypedIdentity, View};
use crate::{Endpoint, Result};

/// The kind under which repositories of any type are listed.
static ANY: Kind = Kind::core("Repository", "repository", "repositories");

/// A repository, its latest version, and the type of its remote, which the remote's href needs.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Row {
    /// The repository.
    #[sea_orm(nested)]
    pub repository: Model,
    /// The number of its latest complete version.
    pub latest: Option<i32>,
    /// The type of its remote.
    pub remote_type: Option<String>,
}

/// A repository as clients see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Body<D> {
    #[serde(flatten)]
    identity: TypedIdentity,
    versions_href: Option<Link>,
    pulp_labels: Labels,
    latest_version_href: Option<Link>,
    name: String,
    description: Option<String>,
    retain_repo_versions: Option<i32>,
    retain_checkpoints: Option<i32>,
    remote: Option<Link>,
    /// What is special to its type.
    #[serde(flatten)]
    #[schema(inline)]
    details: D,
}

/// How repositories are read and shown.
#[derive(Debug)]
pub struct Repositories<D>(PhantomData<fn() -> D>);

impl<D: Details<Row>> View for Repositories<D> {
    type Entity = Entity;
    type Row = Row;
    type Body = Body<D>;

    fn select(rows: Select<Entity>) -> Select<Entity> {
        let latest = Query::select()
            .expr(version::Column::Number.max())
            .from(version::Entity)
            .and_where(version::Column::RepositoryId.into_expr().eq(Column::PulpId.into_expr()))
            .and_where(version::Column::Complete.eq(true))
            .take();
        let remote = Entity::belongs_to(remote::Entity).from(Column::RemoteId).to(remote::Column::PulpId);
        rows.join(JoinType::LeftJoin, remote.into())
            .column_as(remote::Column::PulpType, "remote_type")
            .expr_as(Expr::from(latest), "latest")
    }

    async fn show(rows: Vec<Row>, reader: &Reader<'_>) -> Result<Vec<Body<D>>> {
        rows.into_iter().map(|row| show(row, reader)).collect()
    }
}

fn show<D: Details<Row>>(row: Row, reader: &Reader<'_>) -> Result<Body<D>> {
    let (links, details) = (reader.links, D::of(&row, reader)?);
    let Row { repository, latest, remote_type } = row;
    let identity = TypedIdentity::of("repository", &repository.pulp_type, &repository, reader);
    let (pulp_type, id) = (repository.pulp_type, repository.pulp_id);
    let remote = remote_type.zip(repository.remote_id);
    Ok(Body {
        identity,
        versions_href: links.versions(&pulp_type, id).map(Link),
        pulp_labels: Labels(repository.pulp_labels),
        latest_version_href: latest.and_then(|number| links.version(&pulp_type, id, number)).map(Link),
        name: repository.name,
        description: repository.description,
        retain_repo_versions: repository.retain_repo_versions,
        retain_checkpoints: repository.retain_checkpoints,
        remote: remote.and_then(|(pulp_type, id)| links.typed("remote", &pulp_type, id)).map(Link),
        details,
    })
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut repositories: Resource<Repositories<NoDetails>> =
        resource(&ANY).with(|rows| rows.filter(Column::UserHidden.eq(false)));
    repositories.filters.extend(filter::types(Column::PulpType));
    vec![resource::list(&Arc::new(repositories))]
}

/// Repositories of one kind, without the fields that are special to it.
pub fn resource<D: Details<Row>>(kind: &'static Kind) -> Resource<Repositories<D>> {
    let most = Integer { low: Some(1), high: Some(i32::MAX.into()) };
    let fields = vec![
        Field::labels(),
        Field::text("name").required().unique(),
        Field::new("description", Text::any()).nullable(),
        Field::new("retain_repo_versions", most).nullable(),
        Field::new("retain_checkpoints", most).nullable(),
        Field::new("remote", Reference::<remote::Entity>::any()).in_column("remote_id").nullable(),
    ];
    let default_order = vec![(Column::Name.into_expr(), Order::Asc)];
    Resource { fields, filters: filters(), default_order, ..Resource::new(kind) }.ordered_by([
        ("description", Column::Description),
        ("name", Column::Name),
        ("next_version", Column::NextVersion),
        ("pulp_created", Column::PulpCreated),
        ("pulp_id", Column::PulpId),
        ("pulp_labels", Column::PulpLabels),
        ("pulp_last_updated", Column::PulpLastUpdated),
        ("pulp_type", Column::PulpType),
        ("retain_checkpoints", Column::RetainCheckpoints),
        ("retain_repo_versions", Column::RetainRepoVersions),
        ("user_hidden", Column::UserHidden),
    ])
}

/// The operations on repositories of a type and on their versions, but for those that plugins bring, such as
/// [`sync()`].
pub fn operations<D: Details<Row>>(repositories: &Arc<Resource<Repositories<D>>>) -> Vec<Endpoint> {
    let mut endpoints = vec![
        resource::list(repositories),
        resource::create(repositories),
        resource::read(repositories),
        resource::destroy_in_task(repositories),
        modify(repositories),
    ];
    endpoints.extend(resource::updates_in_task(repositories));
    endpoints.extend(resource::labels(repositories));
    endpoints.extend(versions::of(repositories.kind));
    endpoints
}

fn filters() -> Vec<Filter> {
    const NUMBERS: &[&str] = &["", "gt", "gte", "isnull", "lt", "lte", "ne", "range"];
    let mut filters = [
        filter::names("name", Column::Name),
        filter::ids(&ANY, Column::PulpId),
        filter::integers("retain_repo_versions", Column::RetainRepoVersions, NUMBERS),
        filter::integers("retain_checkpoints", Column::RetainCheckpoints, NUMBERS),
    ]
    .concat();
    filters.extend([
        filter::label_select(Column::PulpLabels),
        filter::reference::<remote::Entity>("remote", Column::RemoteId),
        filter::referring::<content::Entity>("with_content", |unit| {
            membership::ever(Column::PulpId, Column::NextVersion).having(unit)
        }),
        filter::referring::<content::Entity>("latest_with_content", |unit| {
            membership::latest(Column::PulpId, Column::NextVersion).having(unit)
        }),
    ]);
    filters
}
