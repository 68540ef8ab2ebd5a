//! Users of the REST API.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::scope::Visible;

/// One row of `auth_user`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "auth_user")]
pub struct Model {
    /// Identity: users and groups have integers, as in Django.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// Login name.
    pub username: String,
    /// Django-style hash, such as `pbkdf2_sha256$…`; `!` matches no password.
    pub password: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Address.
    pub email: String,
    /// Whether the user is staff.
    pub is_staff: bool,
    /// Whether the user may log in.
    pub is_active: bool,
    /// Whether the user may do everything.
    pub is_superuser: bool,
    /// When the user was made.
    pub date_joined: DateTimeUtc,
    /// Last login with a session.
    pub last_login: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn domain() -> Option<Column> {
        None
    }
}

/// The user of this name who may log in.
///
/// # Errors
/// If the database refuses.
pub async fn find_active(connection: &impl ConnectionTrait, username: &str) -> Result<Option<Model>> {
    let active = Entity::find().filter(Column::Username.eq(username)).filter(Column::IsActive.eq(true));
    Ok(active.one(connection).await?)
}
