//! Remotes: where content comes from.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::scope::Visible;

/// One row of `remote`.
#[sea_orm::model]
#[derive(Clone, Debug, Default, PartialEq, DeriveEntityModel, Serialize, Deserialize)]
#[sea_orm(table_name = "remote")]
pub struct Model {
    /// Identity of the row: a UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub pulp_id: Uuid,
    /// When the row was made.
    pub pulp_created: DateTimeUtc,
    /// When the row last changed.
    pub pulp_last_updated: DateTimeUtc,
    /// The domain the object belongs to.
    pub pulp_domain_id: Uuid,
    /// Which plugin and type, such as `file.file`.
    pub pulp_type: String,
    /// The user's labels, a map of strings (R20).
    #[sea_orm(column_type = "JsonBinary")]
    pub pulp_labels: Json,
    /// Name, unique in the domain.
    pub name: String,
    /// Address of what is mirrored.
    pub url: String,
    /// `immediate`, `on_demand` or `streamed` (C20).
    pub policy: String,
    /// PEM of the authority to trust.
    pub ca_cert: Option<String>,
    /// PEM of the client certificate.
    pub client_cert: Option<String>,
    /// Fernet token of a secret.
    pub client_key: Option<String>,
    /// Fernet token of a secret.
    pub username: Option<String>,
    /// Fernet token of a secret.
    pub password: Option<String>,
    /// Fernet token of a secret.
    pub proxy_username: Option<String>,
    /// Fernet token of a secret.
    pub proxy_password: Option<String>,
    /// Proxy without credentials.
    pub proxy_url: Option<String>,
    /// Whether the server's certificate is checked.
    pub tls_validation: bool,
    /// Simultaneous downloads; null is 10 (D04).
    pub download_concurrency: Option<i32>,
    /// Retries per download; null is 3 (D05).
    pub max_retries: Option<i32>,
    /// Requests per second; null or 0 is no limit (D06).
    pub rate_limit: Option<i32>,
    /// Seconds; null is the default (D07).
    pub total_timeout: Option<f64>,
    /// Seconds; null is the default (D07).
    pub connect_timeout: Option<f64>,
    /// Seconds; null is the default (D07).
    pub sock_connect_timeout: Option<f64>,
    /// Seconds; null is the default (D07).
    pub sock_read_timeout: Option<f64>,
    /// Request headers, a list of maps (D08).
    #[sea_orm(column_type = "JsonBinary")]
    pub headers: Option<Json>,
    /// What is special to the type; the plugin reads it into its own struct.
    #[sea_orm(column_type = "JsonBinary")]
    pub details: Json,
}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn domain() -> Option<Column> {
        Some(Column::PulpDomainId)
    }
}
