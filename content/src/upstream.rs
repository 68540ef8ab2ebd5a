//! A download from a remote whose bytes go to the client as they come.

use std::time::SystemTime;

use bytes::Bytes;
use entities::checksum::Expected;
use entities::remote;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use http::{HeaderMap, HeaderName, Method, header};
use tasking::download::{Body, DownloadError, Downloader};
use tracing::Instrument as _;
use warp::Reply as _;

use crate::conditions::{Known, Part};
use crate::context::Context;
use crate::relay::{self, Failure, Relay, Save, Sender, Stopped};
use crate::{Response, respond, stream};

/// Bytes that are fetched before the response begins. A file that is not longer is checked and saved first,
/// so that another remote can still be asked if the bytes are wrong.
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

/// What to download, and what for.
pub(crate) struct Download<'a> {
    pub remote: &'a remote::Model,
    pub url: &'a str,
    pub expected: Expected,
    /// What is known of the file without upstream.
    pub known: Known,
    /// Its name at the end gives the media type.
    pub path: &'a str,
    /// What to do with the bytes once they are checked, if they are to be kept.
    pub save: Option<Save>,
    /// What to do if upstream sends wrong bytes.
    pub if_wrong: BoxFuture<'static, ()>,
}

/// Why a remote gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("{0:#}")]
    Remote(anyhow::Error),
    #[error("{0}")]
    Download(#[from] DownloadError),
    #[error("{0}")]
    Relay(#[from] Failure),
}

/// Begins a download, and responds as soon as it is known to be usable. The client's conditions must have
/// been judged; its range is judged here, where the length is known.
pub(crate) async fn respond(cx: &Context, download: Download<'_>) -> Result<Response, Unusable> {
    let Download { remote, url, expected, mut known, path, save, if_wrong } = download;
    let downloader = Downloader::new(&cx.pulp, remote, &cx.correlation_id).map_err(Unusable::Remote)?;
    let mut upstream: Body = downloader.open(url).await?;
    known.size = known.size.or(upstream.length);
    known.modified = modified(&upstream.headers);
    if cx.method == Method::HEAD {
        return Ok(respond::with_headers(warp::reply().into_response(), path, &known, None));
    }
    let mut relay = Relay::new(&cx.pulp, expected, save);

    let mut ahead: Vec<Bytes> = Vec::new();
    let mut length = 0;
    let mut ended = false;
    while length <= AHEAD {
        let Some(bytes) = upstream.stream.next().await.transpose()? else {
            ended = true;
            break;
        };
        if let Err(failure) = relay.take(bytes.clone()).await {
            return Err(wrong(failure, if_wrong).await.into());
        }
        length += bytes.len();
        ahead.push(bytes);
    }
    if ended {
        known.size = Some(length as u64);
    }
    let range = match known.part(&cx.headers) {
        Part::Whole => None,
        Part::Bytes(range) => Some(range),
        Part::Unsatisfiable => return Ok(respond::unsatisfiable(&known)),
    };
    let part = range.clone().unwrap_or(0..known.size.unwrap_or(u64::MAX));
    let mut response = if ended {
        if let Err(failure) = relay.finish().await {
            return Err(wrong(failure, if_wrong).await.into());
        }
        let bytes = ahead.concat();
        warp::reply::Response::new(bytes[part.start as usize..part.end as usize].to_vec().into())
    } else {
        let (sender, body) = relay::channel(part);
        cx.downloads.spawn(pass_on(relay, ahead, upstream.stream, sender, if_wrong).in_current_span());
        stream::respond(body)
    };
    for (name, value) in &upstream.headers {
        if !WITHHELD.contains(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    Ok(respond::with_headers(response, path, &known, range))
}

async fn pass_on(
    relay: Relay,
    ahead: Vec<Bytes>,
    rest: BoxStream<'static, Result<Bytes, DownloadError>>,
    mut sender: Sender,
    if_wrong: BoxFuture<'static, ()>,
) {
    match relay.run(ahead, rest, &mut sender).await {
        Ok(()) => sender.complete().await,
        Err(Stopped::ClientGone) => {}
        Err(Stopped::Failed(failure)) => {
            tracing::warn!(%failure, "upstream download failed mid-stream; closing the client connection");
            sender.cut(wrong(failure, if_wrong).await).await;
        }
    }
}

/// Runs `if_wrong` if the bytes were wrong, before the client can ask again.
async fn wrong(failure: Failure, if_wrong: BoxFuture<'static, ()>) -> Failure {
    if let Failure::Mismatch(_) = failure {
        if_wrong.await;
    }
    failure
}

fn modified(upstream: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(upstream.get(header::LAST_MODIFIED)?.to_str().ok()?).ok()
}
