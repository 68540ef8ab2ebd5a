//! Repository versions: immutable sets of content.

use sea_orm::entity::prelude::*;
use sea_orm::{JoinType, QuerySelect};
use serde::{Deserialize, Serialize};

use crate::repository;
use crate::scope::Visible;

/// One row of `repository_version`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "repository_version")]
pub struct Model {
    /// Identity of the row: a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: DateTimeUtc,
    /// When the row last changed.
    pub pulp_last_updated: DateTimeUtc,
    /// Whose version.
    pub repository_id: Uuid,
    /// Number in the series, from 0.
    pub number: i32,
    /// The version it was made from, if not the previous one.
    pub base_version_id: Option<Uuid>,
    /// Only complete versions are visible (C18).
    pub complete: bool,
    /// The task that is making it, until it is complete.
    pub task_id: Option<Uuid>,
    /// `{"added": {type: n}, "removed": {…}, "present": {…}}`.
    #[sea_orm(column_type = "JsonBinary")]
    pub content_counts: Json,
}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn domain() -> Option<Column> {
        None
    }

    /// A version is in the domain of its repository, which is joined.
    fn within(rows: Select<Entity>, domain: Uuid) -> Select<Entity> {
        let repository =
            Entity::belongs_to(repository::Entity).from(Column::RepositoryId).to(repository::Column::PulpId);
        rows.join(JoinType::InnerJoin, repository.into()).filter(repository::Column::PulpDomainId.eq(domain))
    }
}
