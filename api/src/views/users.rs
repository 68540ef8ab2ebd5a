//! Users, to be read (P23). Their ids are integers.

use std::sync::Arc;

use entities::kind;

use crate::Endpoint;
use crate::field::{Field, Shape, named};
use crate::filter;
use crate::sql;
use crate::viewset::{self, Key, Viewset};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let users = Arc::new(viewset());
    vec![viewset::list(&users), viewset::read(&users)]
}

fn viewset() -> Viewset {
    let mut fields = named("auth_user");
    fields.extend([
        Field::shown("id", Shape::Integer(None, None), "t.id"),
        Field::new("username", Shape::Text(Some(150))).required(),
        Field::new("first_name", Shape::Text(Some(150))),
        Field::new("last_name", Shape::Text(Some(150))),
        Field::text("email"),
        Field::new("is_staff", Shape::Boolean).default(false),
        Field::new("is_active", Shape::Boolean).default(true),
        Field::shown("date_joined", Shape::Time, sql::timestamp("t.date_joined")),
        Field::shown(
            "hidden_fields",
            Shape::Hidden,
            "json_build_array(json_build_object('name', 'password', 'is_set', t.password <> '!'))",
        ),
    ]);
    let lookups = &["", "contains", "icontains", "iexact", "in"];
    let mut filters = ["username", "first_name", "last_name", "email"]
        .map(|name| filter::texts(name, &format!("t.{name}"), lookups))
        .concat();
    filters.extend([filter::boolean("is_active", "t.is_active"), filter::boolean("is_staff", "t.is_staff")]);
    Viewset {
        fields,
        filters,
        from: "(SELECT *, id AS pulp_id FROM auth_user) AS t".to_owned(),
        domain: None,
        keys: &[Key::Number("t.id")],
        default_order: "t.date_joined DESC",
        tie_break: "t.date_joined DESC, t.id DESC",
        ..Viewset::new(&kind::USER, "users", "User", "Users", "auth_user_href")
    }
    .ordered_by(&[
        "date_joined",
        "email",
        "first_name",
        "id",
        "is_active",
        "is_staff",
        "is_superuser",
        "last_login",
        "last_name",
        "username",
    ])
}
