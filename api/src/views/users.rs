//! Users, to be read (P23). Their ids are integers.

use std::sync::Arc;

use entities::kind;
use entities::user::{Column, Entity, Model};
use sea_orm::ColumnTrait;
use sea_orm::sea_query::Order;
use serde::Serialize;
use utoipa::ToSchema;

use crate::filter;
use crate::reader::Reader;
use crate::resource::{self, Resource};
use crate::view::{Hidden, Link, Name, Time, View, hidden};
use crate::{Endpoint, Result};

/// A user as clients see it.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    pulp_href: Link,
    prn: Name,
    id: i32,
    username: String,
    first_name: String,
    last_name: String,
    email: String,
    is_staff: bool,
    is_active: bool,
    date_joined: Time,
    hidden_fields: Vec<Hidden>,
}

struct Users;

impl View for Users {
    type Entity = Entity;
    type Row = Model;
    type Body = Body;

    async fn show(rows: Vec<Model>, reader: &Reader<'_>) -> Result<Vec<Body>> {
        let show = |row: Model| Body {
            pulp_href: Link(reader.links.href(&kind::USER, row.id)),
            prn: Name(kind::USER.prn(row.id)),
            id: row.id,
            username: row.username,
            first_name: row.first_name,
            last_name: row.last_name,
            email: row.email,
            is_staff: row.is_staff,
            is_active: row.is_active,
            date_joined: row.date_joined.into(),
            // '!' is a password that nothing matches.
            hidden_fields: hidden([("password", row.password != "!")]),
        };
        Ok(rows.into_iter().map(show).collect())
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let users = Arc::new(resource());
    vec![resource::list(&users), resource::read(&users)]
}

fn resource() -> Resource<Users> {
    let lookups = &["", "contains", "icontains", "iexact", "in"];
    let mut filters = [
        filter::texts("username", Column::Username, lookups),
        filter::texts("first_name", Column::FirstName, lookups),
        filter::texts("last_name", Column::LastName, lookups),
        filter::texts("email", Column::Email, lookups),
    ]
    .concat();
    filters.extend([
        filter::boolean("is_active", |wanted| Column::IsActive.eq(wanted)),
        filter::boolean("is_staff", |wanted| Column::IsStaff.eq(wanted)),
    ]);
    let joined = (Column::DateJoined.into_expr(), Order::Desc);
    Resource {
        filters,
        default_order: vec![joined.clone()],
        tie_break: vec![joined, (Column::Id.into_expr(), Order::Desc)],
        ..Resource::new(&kind::USER)
    }
    .ordered_by([
        ("date_joined", Column::DateJoined),
        ("email", Column::Email),
        ("first_name", Column::FirstName),
        ("id", Column::Id),
        ("is_active", Column::IsActive),
        ("is_staff", Column::IsStaff),
        ("is_superuser", Column::IsSuperuser),
        ("last_login", Column::LastLogin),
        ("last_name", Column::LastName),
        ("username", Column::Username),
    ])
}
