//! Downloads from remotes: HTTP with the remote's TLS, proxy, credentials and limits, or files of this
//! machine.

mod client;
mod error;
mod local;
mod rate;

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use entities::checksum::Expected;
use entities::storage::Staged;
use entities::{Pulp, remote};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

pub use error::{DownloadError, Failure};
use rate::RateLimit;

/// Retries per download where the remote does not say (D05).
const MAX_RETRIES: usize = 3;

/// Simultaneous downloads where the remote does not say (D04).
const CONCURRENCY: usize = 10;

/// Downloads from one remote; cheap to clone. All clones share connections and the rate limit.
#[derive(Clone, Debug)]
pub struct Downloader(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pulp: Pulp,
    client: reqwest::Client,
    cid: Option<HeaderValue>,
    credentials: Option<client::Credentials>,
    total_timeout: Option<Duration>,
    retries: usize,
    concurrency: usize,
    rate: RateLimit,
}

/// A response whose bytes are still to come.
pub struct Body {
    /// The upstream's headers; empty for a local file.
    pub headers: HeaderMap,
    /// Length in bytes, if the upstream says.
    pub length: Option<u64>,
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
            client: client::build(&pulp.keyring, remote)?,
            cid: HeaderValue::from_str(cid).ok().filter(|cid| !cid.is_empty()),
            credentials: client::credentials(&pulp.keyring, remote)?,
            total_timeout: remote.total_timeout.filter(|seconds| *seconds > 0.0).map(Duration::from_secs_f64),
            retries: remote.max_retries.map_or(MAX_RETRIES, |retries| usize::try_from(retries).unwrap_or(0)),
            concurrency: remote
                .download_concurrency
                .and_then(|wanted| usize::try_from(wanted).ok())
                .unwrap_or(CONCURRENCY),
            rate: RateLimit::new(remote.rate_limit),
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
        self.0.rate.wait().await;
        if let Some(path) = url.strip_prefix("file://") {
            return local::open(&self.0.pulp.settings, url, path).await;
        }
        let mut request = self.0.client.get(url);
        if let Some(cid) = &self.0.cid {
            request = request.header(HeaderName::from_static("correlation-id"), cid);
        }
        if let Some(credentials) = &self.0.credentials {
            request = request.basic_auth(&credentials.username, Some(&credentials.password));
        }
        let error = |failure| DownloadError { url: url.to_owned(), failure };
        let response = request.send().await.map_err(|cause| error(Failure::Http(cause.without_url())))?;
        if !response.status().is_success() {
            return Err(error(Failure::Status(response.status())));
        }
        let url = url.to_owned();
        Ok(Body {
            headers: response.headers().clone(),
            length: response.content_length(),
            stream: response
                .bytes_stream()
                .map_err(move |cause| DownloadError {
                    url: url.clone(),
                    failure: Failure::Http(cause.without_url()),
                })
                .boxed(),
        })
    }

    /// Downloads a URL into the staging area, checking length and digests on the way (D09). Failures that may
    /// pass are tried again with growing pauses.
    pub async fn fetch(&self, url: &str, expected: &Expected) -> Result<Staged, DownloadError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(300))
            .with_max_delay(Duration::from_secs(30))
            .with_max_times(self.0.retries)
            .with_jitter();
        (|| self.fetch_once(url, expected))
            .retry(pauses)
            .when(DownloadError::may_pass)
            .notify(|error, pause| tracing::info!(%error, ?pause, "download is tried again"))
            .await
    }

    async fn fetch_once(&self, url: &str, expected: &Expected) -> Result<Staged, DownloadError> {
        let error = |failure| DownloadError { url: url.to_owned(), failure };
        let download = async {
            let mut body = self.open(url).await?;
            let mut writer = self.0.pulp.storage.writer();
            while let Some(bytes) = body.stream.try_next().await? {
                writer.write(bytes).await.map_err(|cause| error(Failure::Save(cause)))?;
                // More than was announced must not fill the disk.
                if let Some(size) = expected.size.filter(|size| writer.size() > *size) {
                    return Err(error(Failure::TooLong { expected: size }));
                }
            }
            writer.finish(expected).await.map_err(|cause| error(Failure::Save(cause)))
        };
        match self.0.total_timeout {
            Some(limit) => tokio::time::timeout(limit, download)
                .await
                .unwrap_or_else(|_| Err(error(Failure::TimedOut { limit }))),
            None => download.await,
        }
    }
}
