//! Remotes of all types, and what those of one type have in common (P13, D01 to D03).

pub mod rules;

use std::marker::PhantomData;
use std::sync::Arc;

use entities::Kind;
use entities::remote::{Column, Entity, Model};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::field::{Boolean, Certificates, Choice, Field, Integer, Number, Secret, TextMaps};
use crate::filter::{self, Filter};
use crate::reader::Reader;
use crate::resource::{self, Resource};
use crate::view::{Details, Hidden, Labels, NoDetails, TypedIdentity, View, hidden};
use crate::{Endpoint, Result};

/// The kind under which remotes of any type are listed.
static ANY: Kind = Kind::core("Remote", "remote", "remotes");

/// When the files of a remote are downloaded (C20).
const POLICY: Choice = Choice { name: "Policy692Enum", words: &["immediate", "on_demand", "streamed"] };

/// A remote as clients see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Body<D> {
    #[serde(flatten)]
    identity: TypedIdentity,
    name: String,
    url: String,
    pulp_labels: Labels,
    policy: String,
    hidden_fields: Vec<Hidden>,
    ca_cert: Option<String>,
    client_cert: Option<String>,
    tls_validation: bool,
    proxy_url: Option<String>,
    max_retries: Option<i32>,
    total_timeout: Option<f64>,
    connect_timeout: Option<f64>,
    sock_connect_timeout: Option<f64>,
    sock_read_timeout: Option<f64>,
    /// Headers of requests: a list of maps.
    #[schema(value_type = Option<Vec<Object>>)]
    headers: Option<Value>,
    download_concurrency: Option<i32>,
    rate_limit: Option<i32>,
    /// What is special to its type.
    #[serde(flatten)]
    #[schema(inline)]
    details: D,
}

/// How remotes are read and shown.
#[derive(Debug)]
pub struct Remotes<D>(PhantomData<fn() -> D>);

impl<D: Details<Model>> View for Remotes<D> {
    type Entity = Entity;
    type Row = Model;
    type Body = Body<D>;

    async fn show(rows: Vec<Model>, reader: &Reader<'_>) -> Result<Vec<Body<D>>> {
        rows.into_iter().map(|row| show(row, reader)).collect()
    }
}

fn show<D: Details<Model>>(row: Model, reader: &Reader<'_>) -> Result<Body<D>> {
    let details = D::of(&row, reader)?;
    Ok(Body {
        identity: TypedIdentity::of("remote", &row.pulp_type, &row, reader),
        name: row.name,
        url: row.url,
        pulp_labels: Labels(row.pulp_labels),
        policy: row.policy,
        hidden_fields: hidden([
            ("client_key", row.client_key.is_some()),
            ("proxy_username", row.proxy_username.is_some()),
            ("proxy_password", row.proxy_password.is_some()),
            ("username", row.username.is_some()),
            ("password", row.password.is_some()),
        ]),
        ca_cert: row.ca_cert,
        client_cert: row.client_cert,
        tls_validation: row.tls_validation,
        proxy_url: row.proxy_url,
        max_retries: row.max_retries,
        total_timeout: row.total_timeout,
        connect_timeout: row.connect_timeout,
        sock_connect_timeout: row.sock_connect_timeout,
        sock_read_timeout: row.sock_read_timeout,
        headers: row.headers,
        download_concurrency: row.download_concurrency,
        rate_limit: row.rate_limit,
        details,
    })
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut remotes = resource::<NoDetails>(&ANY);
    remotes.schema = "GenericRemote".to_owned();
    remotes.filters.extend(filter::types(Column::PulpType));
    vec![resource::list(&Arc::new(remotes))]
}

/// Remotes of one kind, without the fields that are special to it.
pub fn resource<D: Details<Model>>(kind: &'static Kind) -> Resource<Remotes<D>> {
    Resource { fields: fields(), filters: filters(), rule: Some(rules::check), ..Resource::new(kind) }
        .ordered_by([
            ("connect_timeout", Column::ConnectTimeout),
            ("download_concurrency", Column::DownloadConcurrency),
            ("headers", Column::Headers),
            ("max_retries", Column::MaxRetries),
            ("name", Column::Name),
            ("policy", Column::Policy),
            ("proxy_url", Column::ProxyUrl),
            ("pulp_created", Column::PulpCreated),
            ("pulp_id", Column::PulpId),
            ("pulp_labels", Column::PulpLabels),
            ("pulp_last_updated", Column::PulpLastUpdated),
            ("pulp_type", Column::PulpType),
            ("rate_limit", Column::RateLimit),
            ("sock_connect_timeout", Column::SockConnectTimeout),
            ("sock_read_timeout", Column::SockReadTimeout),
            ("tls_validation", Column::TlsValidation),
            ("total_timeout", Column::TotalTimeout),
            ("url", Column::Url),
        ])
}

/// The operations on remotes of a type.
pub fn operations<D: Details<Model>>(remotes: &Arc<Resource<Remotes<D>>>) -> Vec<Endpoint> {
    let mut endpoints = vec![
        resource::list(remotes),
        resource::create(remotes),
        resource::read(remotes),
        resource::destroy_in_task(remotes),
    ];
    endpoints.extend(resource::updates_in_task(remotes));
    endpoints.extend(resource::labels(remotes));
    endpoints
}

/// The longest timeout, in seconds.
const A_YEAR: f64 = 365.0 * 24.0 * 3600.0;

fn fields() -> Vec<Field> {
    let secret = |name| Field::new(name, Secret).nullable();
    let seconds = |name| Field::new(name, Number { low: 0.0, high: A_YEAR }).nullable();
    let count =
        |name, low| Field::new(name, Integer { low: Some(low), high: Some(i32::MAX.into()) }).nullable();
    vec![
        Field::text("name").required().unique(),
        Field::text("url").required(),
        Field::labels(),
        Field::new("policy", POLICY).default("immediate"),
        Field::new("ca_cert", Certificates { name: "ca_cert" }).nullable(),
        Field::new("client_cert", Certificates { name: "client_cert" }).nullable(),
        secret("client_key"),
        Field::new("tls_validation", Boolean),
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
        Field::new("headers", TextMaps),
        count("download_concurrency", 1),
        count("rate_limit", 0),
    ]
}

fn filters() -> Vec<Filter> {
    let mut filters = [
        filter::names("name", Column::Name),
        filter::dates("pulp_last_updated", Column::PulpLastUpdated),
        filter::ids(&ANY, Column::PulpId),
    ]
    .concat();
    filters.push(filter::label_select(Column::PulpLabels));
    filters
}
