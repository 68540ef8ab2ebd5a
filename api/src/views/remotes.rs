//! Remotes of all types, and what those of one type have in common (P13, D01 to D03).

pub mod rules;

use std::sync::Arc;

use entities::Kind;

use crate::Endpoint;
use crate::field::{Field, Shape, identity, labels};
use crate::filter::{self, Filter};
use crate::viewset::{self, Viewset};

/// The kind under which remotes of any type are listed.
static ANY: Kind = Kind { table: "remote", pulp_type: "", model: "core.remote", path: "remotes" };

/// Secrets, in the order of `hidden_fields` (D02).
const SECRETS: [&str; 5] = ["client_key", "proxy_username", "proxy_password", "username", "password"];

pub(super) fn endpoints() -> Vec<Endpoint> {
    let remotes = Viewset {
        filters: [filters(), filter::types("t.pulp_type")].concat(),
        ..base(Viewset::new(&ANY, "remotes", "GenericRemote", "Remotes", "remote_href"))
    };
    vec![viewset::list(&Arc::new(remotes))]
}

/// A type of remote, without what is special to it.
pub fn viewset(of: Viewset) -> Viewset {
    Viewset { filters: filters(), ..base(of) }.of_its_type()
}

fn base(of: Viewset) -> Viewset {
    let hidden: Vec<String> = SECRETS
        .iter()
        .map(|name| format!("json_build_object('name', '{name}', 'is_set', t.{name} IS NOT NULL)"))
        .collect();
    let secret = |name| Field::new(name, Shape::Secret).nullable();
    let count = |name, low| Field::new(name, Shape::Integer(Some(low), Some(i32::MAX.into()))).nullable();
    let seconds = |name| Field::new(name, Shape::Number(Some(0.0))).nullable();
    let mut fields = identity("remote");
    fields.extend([
        Field::text("name").required().unique(),
        Field::text("url").required(),
        labels(),
        Field::new("policy", Shape::Choice("Policy692Enum", &["immediate", "on_demand", "streamed"]))
            .default("immediate"),
        Field::shown("hidden_fields", Shape::Hidden, format!("json_build_array({})", hidden.join(", "))),
        Field::text("ca_cert").nullable(),
        Field::text("client_cert").nullable(),
        secret("client_key"),
        Field::new("tls_validation", Shape::Boolean),
        Field::text("proxy_url").nullable(),
        secret("proxy_username"),
        secret("proxy_password"),
        secret("username"),
        secret("password"),
        count("max_retries", 0),
        seconds("total_timeout"),
        seconds("connect_timeout"),
        seconds("sock_connect_timeout"),
        seconds("sock_read_timeout"),
        Field::new("headers", Shape::Maps),
        count("download_concurrency", 1),
        count("rate_limit", 0),
    ]);
    Viewset { fields, rule: Some(rules::check), ..of }.ordered_by(&[
        "connect_timeout",
        "download_concurrency",
        "headers",
        "max_retries",
        "name",
        "policy",
        "proxy_url",
        "pulp_created",
        "pulp_id",
        "pulp_labels",
        "pulp_last_updated",
        "pulp_type",
        "rate_limit",
        "sock_connect_timeout",
        "sock_read_timeout",
        "tls_validation",
        "total_timeout",
        "url",
    ])
}

fn filters() -> Vec<Filter> {
    let mut filters = [
        filter::names("name", "t.name"),
        filter::dates("pulp_last_updated", "t.pulp_last_updated"),
        filter::ids("remote", "t.pulp_id"),
    ]
    .concat();
    filters.push(filter::label_select("t.pulp_labels"));
    filters
}
