//! Content of all types (P07), and what the lists of one type have in common.

mod creation;
mod units;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use entities::checksum::Digests;
use entities::content::{Column, Entity, Model};
use entities::{Kind, artifact, content_artifact, kind, remote_artifact, repository_content};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, JoinType, QueryOrder, QuerySelect};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::Type;
use uuid::Uuid;

pub use creation::{creation_fields, creation_of};
pub use units::{Row, Units, resource};

use super::membership;
use crate::filter::{self, Filter};
use crate::reader::Reader;
use crate::resource::{Resource, labels, list, read};
use crate::schema::simple;
use crate::view::{Labels, Link, NoDetails, TypedIdentity, View};
use crate::{Endpoint, Result};

/// The kind under which content of any type is listed.
static ANY: Kind = Kind::core("Content", "content", "content");

/// What clients see of a unit of any type.
#[derive(Debug, Serialize, ToSchema)]
pub struct Common {
    #[serde(flatten)]
    identity: TypedIdentity,
    pulp_labels: Labels,
}

impl Common {
    /// The fields of a unit that all types have.
    pub fn of(row: Model, reader: &Reader<'_>) -> Common {
        Common {
            identity: TypedIdentity::of("content", &row.pulp_type, &row, reader),
            pulp_labels: Labels(row.pulp_labels),
        }
    }
}

/// A unit of content as clients see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Body<D> {
    #[serde(flatten)]
    common: Common,
    /// The artifacts of the unit, by their paths within it.
    #[schema(value_type = Object)]
    artifacts: BTreeMap<String, Option<Link>>,
    #[serde(flatten)]
    #[schema(inline)]
    details: D,
}

struct Content;

impl View for Content {
    type Entity = Entity;
    type Row = Model;
    type Body = Body<NoDetails>;

    async fn show(rows: Vec<Model>, reader: &Reader<'_>) -> Result<Vec<Body<NoDetails>>> {
        show(rows.into_iter().map(|row| (row, NoDetails {})).collect(), reader).await
    }
}

async fn show<D>(rows: Vec<(Model, D)>, reader: &Reader<'_>) -> Result<Vec<Body<D>>> {
    let mut files = files(rows.iter().map(|(row, _)| row.pulp_id), reader).await?;
    let show = |(row, details): (Model, D)| {
        let files = files.remove(&row.pulp_id).unwrap_or_default();
        let artifacts = files.into_iter().map(|file| (file.relative_path.clone(), file.link(reader)));
        Body { artifacts: artifacts.collect(), common: Common::of(row, reader), details }
    };
    Ok(rows.into_iter().map(show).collect())
}

/// One file of a unit: its bytes, or what a remote says of them.
#[derive(Clone, Debug)]
pub struct File {
    /// The artifact, once the bytes are stored.
    pub artifact: Option<Uuid>,
    /// The path within the unit.
    pub relative_path: String,
    /// Digests of the bytes, where they are known.
    pub digests: Digests,
}

/// A row of `content_artifact` with the digests of its artifact.
#[derive(FromQueryResult)]
struct FileRow {
    pulp_id: Uuid,
    content_id: Uuid,
    artifact_id: Option<Uuid>,
    relative_path: String,
    md5: Option<String>,
    sha1: Option<String>,
    sha224: Option<String>,
    sha256: Option<String>,
    sha384: Option<String>,
    sha512: Option<String>,
}

impl File {
    /// The href of the artifact, once the bytes are stored.
    pub fn link(&self, reader: &Reader<'_>) -> Option<Link> {
        self.artifact.map(|id| Link(reader.links.href(&kind::ARTIFACT, id)))
    }
}

/// The files of units that were found in the reader's scope, by unit: two queries, however many there are.
///
/// # Errors
/// If the database refuses.
pub async fn files(
    units: impl IntoIterator<Item = Uuid>,
    reader: &Reader<'_>,
) -> Result<HashMap<Uuid, Vec<File>>> {
    let bytes = content_artifact::Entity::belongs_to(artifact::Entity)
        .from(content_artifact::Column::ArtifactId)
        .to(artifact::Column::PulpId);
    let files: Vec<FileRow> = reader
        .scope
        .parts::<content_artifact::Entity>(units)
        .join(JoinType::LeftJoin, bytes.into())
        .columns([
            artifact::Column::Md5,
            artifact::Column::Sha1,
            artifact::Column::Sha224,
            artifact::Column::Sha256,
            artifact::Column::Sha384,
            artifact::Column::Sha512,
        ])
        .order_by_asc(content_artifact::Column::RelativePath)
        .into_model()
        .all(reader.db)
        .await?;
    let missing: Vec<Uuid> =
        files.iter().filter(|file| file.artifact_id.is_none()).map(|file| file.pulp_id).collect();
    let announced = announced(missing, reader).await?;
    let mut by_unit: HashMap<Uuid, Vec<File>> = HashMap::new();
    for row in files {
        let digests = match announced.get(&row.pulp_id) {
            Some(digests) => digests.clone(),
            None => [row.md5, row.sha1, row.sha224, row.sha256, row.sha384, row.sha512].into(),
        };
        let file = File { artifact: row.artifact_id, relative_path: row.relative_path, digests };
        by_unit.entry(row.content_id).or_default().push(file);
    }
    Ok(by_unit)
}

/// What remotes say of files that are not stored, by file.
async fn announced(files: Vec<Uuid>, reader: &Reader<'_>) -> Result<HashMap<Uuid, Digests>> {
    if files.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = reader.scope.parts::<remote_artifact::Entity>(files).all(reader.db).await?;
    Ok(rows.into_iter().map(|row| (row.content_artifact_id, row.expected().digests)).collect())
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut content: Resource<Content> =
        Resource { filters: [filters(), filter::types(Column::PulpType)].concat(), ..Resource::new(&ANY) }
            .ordered_by([("pulp_created", Column::PulpCreated), ("pulp_id", Column::PulpId)]);
    content.schema = "MultipleArtifactContent".to_owned();
    vec![list(&Arc::new(content))]
}

/// The operations on content of a type, but for its creation.
pub fn operations<V: View<Entity = Entity>>(content: &Arc<Resource<V>>) -> Vec<Endpoint> {
    let mut endpoints = vec![list(content), read(content)];
    endpoints.extend(labels(content));
    endpoints
}

/// The filters of every list of content.
pub fn filters() -> Vec<Filter> {
    let mut filters = filter::ids(&ANY, Column::PulpId);
    filters.extend([
        filter::label_select(Column::PulpLabels),
        filter::version("repository_version", |repository, number| {
            membership::of_version(repository, number).contain(Column::PulpId)
        }),
        filter::version("repository_version_added", |repository, number| {
            membership::added(repository, number).contain(Column::PulpId)
        }),
        filter::version("repository_version_removed", |repository, number| {
            membership::removed(repository, number).contain(Column::PulpId)
        }),
        orphaned_for(Column::TimestampOfInterest, || {
            let member = Query::select()
                .expr(Expr::val(1))
                .from(repository_content::Entity)
                .and_where(repository_content::Column::ContentId.into_expr().eq(Column::PulpId.into_expr()))
                .take();
            Expr::exists(member).not()
        }),
    ]);
    filters
}

/// What has been an orphan for so many minutes.
pub(super) fn orphaned_for(
    interest: impl ColumnTrait,
    is_orphan: impl Fn() -> Expr + Send + Sync + 'static,
) -> Filter {
    let description = "Minutes for which it has belonged to nothing.";
    Filter::new("orphaned_for", simple(Type::Number, None), description, move |value, _| {
        let minutes: f64 = filter::number("orphaned_for", value)?;
        let age = TimeDelta::milliseconds((minutes.clamp(0.0, 1e9) * 60_000.0) as i64);
        Ok(interest.lt(Utc::now() - age).and(is_orphan()))
    })
}
