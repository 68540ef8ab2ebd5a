//! Downloads from remotes: HTTP with the remote's TLS, proxy, credentials and limits, or files of this
//! machine.

pub mod certificates;
mod client;
mod coding;
mod error;
mod hold;
mod local;
mod rate;
mod request;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use entities::checksum::Expected;
use entities::storage::Staged;
use entities::{Pulp, remote};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use url::Url;

pub use client::PROXY_SCHEMES;
use coding::{Coding, Received};
pub use error::{DownloadError, Failure, shown};
use hold::Hold;
use rate::RateLimit;
use request::{Connections, Http};

/// Retries per download where the remote does not say (D05).
const MAX_RETRIES: usize = 3;

/// Simultaneous downloads where the remote does not say (D04).
const CONCURRENCY: usize = 10;

/// How long one download waits at most because the upstream says so, all in all.
const PATIENCE: Duration = Duration::from_secs(600);

/// Bytes that metadata may have, such as the manifest of more than a million files.
const METADATA_LIMIT: u64 = 512 * 1024 * 1024;

/// How long the download of metadata may take where the remote does not say.
const METADATA_TIME: Duration = Duration::from_secs(3600);

/// Downloads from one remote; cheap to clone. All clones share connections, the rate limit, and
/// the pauses that the upstream asks for.
#[derive(Clone, Debug)]
pub struct Downloader(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pulp: Pulp,
    http: Http,
    total_timeout: Option<Duration>,
    retries: usize,
    concurrency: usize,
    rate: RateLimit,
    hold: Hold,
}

/// A response whose bytes are still to come.
pub struct Body {
    /// The upstream's headers; empty for a local file.
    pub headers: HeaderMap,
    /// Length in bytes, if the upstream says.
    pub length: Option<u64>,
    coding: Option<Coding>,
    /// The bytes.
    pub stream: BoxStream<'static, Result<Bytes, DownloadError>>,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Downloader {
    /// A downloader for a remote. `cid` goes with every request as `Correlation-ID`.
    ///
    /// # Errors
    /// If a certificate, key, proxy or header of the remote cannot be used, or a secret cannot be decrypted.
    pub fn new(pulp: &Pulp, remote: &remote::Model, cid: &str) -> anyhow::Result<Downloader> {
        Ok(Downloader(Arc::new(Inner {
            pulp: pulp.clone(),
            http: Http::new(pulp, remote, cid)?,
            total_timeout: client::seconds(remote.total_timeout),
            retries: remote.max_retries.map_or(MAX_RETRIES, |retries| usize::try_from(retries).unwrap_or(0)),
            concurrency: remote
                .download_concurrency
                .and_then(|wanted| usize::try_from(wanted).ok())
                .unwrap_or(CONCURRENCY),
            rate: RateLimit::new(remote.rate_limit),
            hold: Hold::default(),
        })))
    }

    /// A downloader for URLs that belong to no remote: no credentials, the usual limits.
    pub fn anonymous(pulp: &Pulp, cid: &str) -> anyhow::Result<Downloader> {
        Downloader::new(pulp, &remote::Model { tls_validation: true, ..remote::Model::default() }, cid)
    }

    /// How many downloads may run at the same time.
    pub fn concurrency(&self) -> usize {
        self.0.concurrency
    }

    /// Asks for a URL once, without retries; a response other than success is an error.
    pub async fn open(&self, url: &str) -> Result<Body, DownloadError> {
        self.open_on(url, Connections::Kept).await
    }

    async fn open_on(&self, url: &str, connections: Connections) -> Result<Body, DownloadError> {
        self.0.rate.wait().await;
        let error = |failure| DownloadError::new(url, failure);
        let parsed = Url::parse(url).map_err(|_| error(Failure::Url))?;
        match parsed.scheme() {
            "file" => return local::open(&self.0.pulp.settings, url, &parsed).await,
            "http" | "https" => {}
            _ => return Err(error(Failure::Url)),
        }
        let response = self.0.http.get(&parsed, connections).await.map_err(error)?;
        let status = response.status();
        if !status.is_success() {
            let is_busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            let retry_after = hold::retry_after(response.headers()).filter(|_| is_busy);
            return Err(DownloadError { retry_after, ..error(Failure::Status(status)) });
        }
        let (headers, url) = (response.headers().clone(), url.to_owned());
        let coding = Coding::of(&headers);
        Ok(Body {
            headers,
            length: response.content_length().filter(|_| coding.is_none()),
            coding,
            stream: response
                .bytes_stream()
                .map_err(move |cause| DownloadError::new(&url, Failure::Http(cause.without_url())))
                .boxed(),
        })
    }

    /// Downloads a URL into the staging area, checking length and digests on the way (D09). Failures that may
    /// pass are tried again with growing pauses, or when the upstream says. Without an expected size, at most
    /// half of the free space of the store is filled.
    pub async fn fetch(&self, url: &str, expected: &Expected) -> Result<Staged, DownloadError> {
        self.fetch_within(url, expected, u64::MAX, None).await
    }

    /// Downloads metadata, whose length and digests are not known: 512 MiB within an hour at most, unless the
    /// remote sets another `total_timeout`.
    pub async fn fetch_metadata(&self, url: &str) -> Result<Staged, DownloadError> {
        self.fetch_within(url, &Expected::default(), METADATA_LIMIT, Some(METADATA_TIME)).await
    }

    /// As [`Downloader::fetch`], of at most `limit` bytes and, unless the remote says, within `time`.
    pub async fn fetch_within(
        &self,
        url: &str,
        expected: &Expected,
        limit: u64,
        time: Option<Duration>,
    ) -> Result<Staged, DownloadError> {
        let time = self.0.total_timeout.or(time);
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(300))
            .with_max_delay(Duration::from_secs(30))
            .with_max_times(self.0.retries)
            .with_jitter()
            .build();
        let (mut connections, mut patience) = (Connections::Kept, PATIENCE);
        loop {
            self.0.hold.wait().await;
            let attempt = self.fetch_once(url, expected, limit, connections);
            let done = match time {
                Some(limit) => tokio::time::timeout(limit, attempt)
                    .await
                    .unwrap_or_else(|_| Err(DownloadError::new(url, Failure::TimedOut { limit }))),
                None => attempt.await,
            };
            let error = match done {
                Err(error) if error.may_pass() && self.0.retries > 0 => error,
                done => return done,
            };
            connections = Connections::New;
            if let Some(pause) = error.retry_after.filter(|pause| *pause <= patience) {
                tracing::info!(%error, ?pause, "the upstream is asked again when it says");
                patience -= pause;
                self.0.hold.pause(pause);
                continue;
            }
            let Some(pause) = pauses.next() else { return Err(error) };
            tracing::info!(%error, ?pause, "download is tried again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn fetch_once(
        &self,
        url: &str,
        expected: &Expected,
        limit: u64,
        connections: Connections,
    ) -> Result<Staged, DownloadError> {
        let error = |failure| DownloadError::new(url, failure);
        let mut body = self.open_on(url, connections).await?;
        let limit = expected.size.unwrap_or_else(|| limit.min(self.room()));
        let mut received = Received::new(&self.0.pulp.storage, body.coding, limit);
        while let Some(bytes) = body.stream.try_next().await? {
            // More than was announced must not fill the disk.
            if !received.take(bytes).await.map_err(|cause| error(Failure::Save(cause)))? {
                return Err(error(match expected.size {
                    Some(expected) => Failure::TooLong { expected },
                    None => Failure::Unbounded { limit },
                }));
            }
        }
        received.finish(expected).await.map_err(|cause| error(Failure::Save(cause)))
    }

    /// Half of what is free where files are stored.
    fn room(&self) -> u64 {
        let found = rustix::fs::statvfs(&self.0.pulp.settings.media_root);
        found.map_or(u64::MAX, |found| found.f_bavail.saturating_mul(found.f_frsize) / 2)
    }
}
