//! The status of the installation (S04).

use std::time::Duration;

use chrono::{DateTime, Utc};
use entities::db;
use http::{Method, StatusCode};
use sea_orm::FromQueryResult;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::permission::Permission;
use crate::schema::{Component, field_selection};
use crate::{Context, Endpoint, Request, Response, Result, response};

/// How long Redis may take to say that it is there.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Method::GET, "status/", "status_read", "Status", Permission::Anonymous, read)
            .summary("Inspect versions, processes, connections and storage")
            .parameters(field_selection())
            .answer(StatusCode::OK, Component::of::<StatusResponse>()),
    ]
}

#[derive(Serialize, ToSchema)]
struct StatusResponse {
    versions: Vec<VersionResponse>,
    online_workers: Vec<AppStatusResponse>,
    online_api_apps: Vec<AppStatusResponse>,
    online_content_apps: Vec<AppStatusResponse>,
    database_connection: DatabaseConnectionResponse,
    #[schema(required = false, nullable = false)]
    redis_connection: Option<RedisConnectionResponse>,
    #[schema(required = false, nullable = false)]
    storage: Option<StorageResponse>,
    content_settings: ContentSettingsResponse,
    domain_enabled: bool,
}

#[derive(Serialize, ToSchema)]
struct VersionResponse {
    component: &'static str,
    version: &'static str,
    package: &'static str,
    module: &'static str,
    domain_compatible: bool,
}

#[derive(Serialize, ToSchema)]
struct AppStatusResponse {
    name: String,
    last_heartbeat: DateTime<Utc>,
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    versions: Value,
}

#[derive(Serialize, ToSchema)]
struct DatabaseConnectionResponse {
    connected: bool,
}

#[derive(Serialize, ToSchema)]
struct RedisConnectionResponse {
    connected: bool,
}

#[derive(Serialize, ToSchema)]
struct StorageResponse {
    total: Option<u64>,
    used: Option<u64>,
    free: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct ContentSettingsResponse {
    content_origin: Option<String>,
    content_path_prefix: String,
}

async fn read(request: Request) -> Result<Response> {
    let context = &request.context;
    let settings = &context.pulp.settings;
    let (processes, redis) = tokio::join!(processes(context), redis(context));
    let connected = processes.is_ok();
    let mut processes = processes.unwrap_or_else(|error| {
        tracing::warn!(%error, "the status cannot list processes");
        Vec::new()
    });
    let mut online = |kinds: &[&str]| -> Vec<AppStatusResponse> {
        processes.extract_if(.., |(kind, _)| kinds.contains(&kind.as_str())).map(|(_, app)| app).collect()
    };
    let status = StatusResponse {
        versions: context
            .components
            .iter()
            .map(|plugin| VersionResponse {
                component: plugin.component,
                version: plugin.version,
                package: plugin.package,
                module: plugin.module,
                domain_compatible: true,
            })
            .collect(),
        online_workers: online(&["worker", "resource-manager"]),
        online_api_apps: online(&["api"]),
        online_content_apps: online(&["content"]),
        database_connection: DatabaseConnectionResponse { connected },
        redis_connection: redis.map(|connected| RedisConnectionResponse { connected }),
        storage: storage(&settings.media_root),
        content_settings: ContentSettingsResponse {
            content_origin: settings.content_origin.clone(),
            content_path_prefix: settings.content_path_prefix.clone(),
        },
        domain_enabled: false,
    };
    response::json(StatusCode::OK, &status)
}

/// The processes whose last heartbeat is younger than their time to live.
const BEATING: &str = "
    SELECT kind, name, versions, last_heartbeat FROM process JOIN process_beat ON process_id = pulp_id
    WHERE gone_at IS NULL AND last_heartbeat > clock_timestamp() - make_interval(secs =>
        CASE kind WHEN 'api' THEN $1::float8 WHEN 'content' THEN $2::float8 ELSE $3::float8 END)
    ORDER BY kind DESC, name";

#[derive(FromQueryResult)]
struct Process {
    kind: String,
    name: String,
    versions: Value,
    last_heartbeat: DateTime<Utc>,
}

/// The processes that beat lately, with their kinds, by name.
async fn processes(context: &Context) -> Result<Vec<(String, AppStatusResponse)>> {
    let settings = &context.pulp.settings;
    let values = [
        settings.api_app_ttl.as_secs_f64().into(),
        settings.content_app_ttl.as_secs_f64().into(),
        settings.worker_ttl.as_secs_f64().into(),
    ];
    let processes = Process::find_by_statement(db::sql(BEATING, values)).all(&context.pulp.db).await?;
    let app = |process: Process| {
        let Process { kind, name, versions, last_heartbeat } = process;
        (kind, AppStatusResponse { name, last_heartbeat, versions })
    };
    Ok(processes.into_iter().map(app).collect())
}

/// Whether Redis answers; `None` if none is configured.
async fn redis(context: &Context) -> Option<bool> {
    let ping = context.redis.as_ref()?;
    Some(tokio::time::timeout(PATIENCE, ping.answers()).await.unwrap_or(false))
}

fn storage(media_root: &std::path::Path) -> Option<StorageResponse> {
    let volume = rustix::fs::statvfs(media_root).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(volume.f_frsize);
    let used = bytes(volume.f_blocks.saturating_sub(volume.f_bfree));
    Some(StorageResponse {
        total: Some(bytes(volume.f_blocks)),
        used: Some(used),
        free: Some(bytes(volume.f_bavail)),
    })
}
