//! Files whose bytes are not stored yet: fetched from a remote while the client waits (A13 to A18).

use std::time::SystemTime;

use bytes::Bytes;
use chrono::Utc;
use entities::checksum::{Algorithm, Expected};
use entities::{Pulp, Result, db, remote, remote_artifact};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, Method, header};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use tasking::download::{Body, DownloadError, Downloader};
use uuid::Uuid;

use crate::conditions::{Known, Wanted};
use crate::handle::App;
use crate::relay::{self, Relay, Sink};
use crate::{ContentRequest, Response, respond, stream};

/// Bytes that are fetched before the answer begins. A file that is not longer is checked and saved first, so that
/// another remote can still be asked if the bytes are wrong.
const AHEAD: usize = 64 * 1024;

/// Upstream headers that are not handed on: those of the connection, and those we know better.
const WITHHELD: [HeaderName; 19] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::DATE,
    header::SERVER,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
    header::WWW_AUTHENTICATE,
    header::ALT_SVC,
    HeaderName::from_static("keep-alive"),
];

/// Where a file can be had.
struct Source {
    remote: remote::Model,
    artifact: remote_artifact::Model,
    expected: Expected,
}

/// Answers with a file of a content unit that is not stored. `None` if no remote has it.
pub(crate) async fn respond(
    app: &App,
    request: &ContentRequest,
    content_artifact: Uuid,
) -> Result<Option<Response>> {
    let sources = sources(&app.pulp, content_artifact).await?;
    let Some(known) = sources.first().map(|source| source.known()) else { return Ok(None) };
    let (method, headers, path) = (&request.method, &request.headers, request.path.as_str());
    let wanted = known.wanted(method, headers);
    if let Some(answer) = respond::without_body(method, path, &known, &wanted) {
        return Ok(Some(answer));
    }
    for source in sources {
        let url = source.artifact.url.clone();
        match fetch(app, request, content_artifact, source).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(reason) => tracing::warn!(url, %reason, "a remote could not be used for {path}"),
        }
    }
    Ok(None)
}

/// The remotes that have a file, in the order to try. Those that gave wrong bytes lately are left out (A16).
async fn sources(pulp: &Pulp, content_artifact: Uuid) -> Result<Vec<Source>> {
    let cooldown = pulp.settings.remote_content_fetch_failure_cooldown;
    let since = Utc::now() - chrono::Duration::from_std(cooldown).unwrap_or_default();
    let rows = remote_artifact::Entity::find()
        .filter(remote_artifact::Column::ContentArtifactId.eq(content_artifact))
        .filter(
            Condition::any()
                .add(remote_artifact::Column::FailedAt.is_null())
                .add(remote_artifact::Column::FailedAt.lt(since)),
        )
        .order_by_asc(remote_artifact::Column::PulpCreated)
        .all(&pulp.db)
        .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.remote_id).collect();
    let remotes = remote::Entity::find().filter(remote::Column::PulpId.is_in(ids)).all(&pulp.db).await?;
    let source = |artifact: remote_artifact::Model| {
        let remote = remotes.iter().find(|remote| remote.pulp_id == artifact.remote_id)?.clone();
        let expected = artifact.expected();
        Some(Source { remote, artifact, expected })
    };
    let allowed = &pulp.settings.allowed_content_checksums;
    let usable = |source: &Source| {
        let known = |algorithm: &Algorithm| source.expected.digests.get(*algorithm).is_some();
        allowed.iter().any(known) || known(&Algorithm::Sha256) || !Algorithm::ALL.iter().any(known)
    };
    Ok(rows.into_iter().filter_map(source).filter(usable).collect())
}

impl Source {
    fn known(&self) -> Known {
        let sha256 = self.expected.digests.get(Algorithm::Sha256).map(str::to_lowercase);
        Known { sha256, modified: None, size: self.expected.size }
    }
}

/// Why a source gave no answer.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("{0:#}")]
    Remote(anyhow::Error),
    #[error("{0}")]
    Download(#[from] DownloadError),
    #[error("{0}")]
    Relay(#[from] relay::Failure),
}

/// Begins the download, and answers as soon as it is known to be usable.
async fn fetch(
    app: &App,
    request: &ContentRequest,
    content_artifact: Uuid,
    source: Source,
) -> Result<Response, Unusable> {
    let downloader =
        Downloader::new(&app.pulp, &source.remote, &request.correlation_id).map_err(Unusable::Remote)?;
    let mut upstream: Body = downloader.open(&source.artifact.url).await?;
    let mut known = source.known();
    known.size = known.size.or(upstream.length);
    known.modified = modified(&upstream.headers);
    let sink = match source.remote.policy.as_str() {
        "streamed" => Sink::discard(&app.pulp),
        _ => Sink::save(&app.pulp, request.distribution.domain, content_artifact),
    };
    let mut relay = Relay::new(app.pulp.clone(), sink, source.expected, source.artifact.pulp_id);

    let mut ahead: Vec<Bytes> = Vec::new();
    let mut length = 0;
    let mut ended = false;
    while length <= AHEAD {
        let Some(bytes) = upstream.stream.next().await.transpose()? else {
            ended = true;
            break;
        };
        relay.take(bytes.clone()).await?;
        length += bytes.len();
        ahead.push(bytes);
    }
    if ended {
        relay.finish().await?;
        known.size = Some(length as u64);
        let bytes = ahead.concat();
        return Ok(answer(&upstream.headers, request, &known, |part| {
            warp::reply::Response::new(bytes[part.start as usize..part.end as usize].to_vec().into())
        }));
    }
    Ok(answer(&upstream.headers, request, &known, |part| {
        let (sender, body) = relay::channel(part);
        app.downloads.spawn(tracing::Instrument::in_current_span(relay.run(ahead, upstream.stream, sender)));
        stream::respond(body)
    }))
}

/// The answer, once the bytes are known to be there; `body` makes the body of a part of them.
fn answer(
    upstream: &HeaderMap,
    request: &ContentRequest,
    known: &Known,
    body: impl FnOnce(std::ops::Range<u64>) -> Response,
) -> Response {
    // The conditions were judged before; only the length may be new, and with it what the range means.
    let wanted = known.wanted(&Method::GET, &request.headers);
    if let Wanted::NoSuchPart = wanted
        && let Some(answer) = respond::without_body(&request.method, &request.path, known, &wanted)
    {
        return answer;
    }
    let range = match wanted {
        Wanted::Part(range) => Some(range),
        _ => None,
    };
    let whole = 0..known.size.unwrap_or(u64::MAX);
    let mut answer = body(range.clone().unwrap_or(whole));
    for (name, value) in upstream {
        if !WITHHELD.contains(name) {
            answer.headers_mut().append(name, value.clone());
        }
    }
    respond::with_headers(answer, &request.path, known, range)
}

fn modified(upstream: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(upstream.get(header::LAST_MODIFIED)?.to_str().ok()?).ok()
}

/// Notes that a source gave wrong bytes, so that it is left alone for a while (A16).
pub(crate) async fn mark_failed(pulp: &Pulp, remote_artifact: Uuid) {
    let sql = "UPDATE remote_artifact SET failed_at = clock_timestamp() WHERE pulp_id = $1";
    if let Err(error) = pulp.db.execute_raw(db::sql(sql, [remote_artifact.into()])).await {
        tracing::warn!(%error, "cannot note that a remote gave wrong bytes");
    }
}
