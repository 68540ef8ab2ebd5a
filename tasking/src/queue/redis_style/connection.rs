//! The way to Redis: by its address, or through the sentinels that know it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use deadpool_redis::redis::aio::{MultiplexedConnection, PubSub};
use deadpool_redis::redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, RedisError, RedisResult, TlsCertificates, cmd,
};
use entities::Settings;

use super::ConnectionManager;
use super::keys::Keys;
use super::sentinels::Sentinels;
use crate::queue::repeats::Repeats;
use crate::queue::style::Style;

/// How long a reply may take on a connection that never blocks.
const REPLY: Duration = Duration::from_secs(2);

/// How long connecting may take.
pub(super) const CONNECT: Duration = Duration::from_secs(2);

/// The way to Redis, and the names there; cheap to clone. Opens nothing by itself.
#[derive(Clone, Debug)]
pub(crate) struct Redis {
    /// How to connect. With sentinels the address is asked of them each time.
    to: Arc<ConnectionInfo>,
    sentinels: Option<Arc<Sentinels>>,
    /// The names of everything.
    pub(crate) keys: Keys,
}

impl Redis {
    /// What the settings say.
    pub(crate) fn open(settings: &Settings) -> anyhow::Result<Redis> {
        let url = settings.redis_url.as_ref().context(
            "Redis is not configured, and this style of tasking needs it: set REDIS_URL, REDIS_HOST or \
             REDIS_SENTINEL.",
        )?;
        let to = connection_info(settings, &url.0)?;
        let sentinels = settings.redis_sentinel.as_ref().map(|known| Arc::new(Sentinels::new(known, &to)));
        Ok(Redis { to: Arc::new(to), sentinels, keys: Keys::new(&settings.redis_key_prefix) })
    }

    /// A connection to share, for commands that answer at once. It connects when it is first used, and again
    /// after a failure; the command that meets the failure gets the error.
    pub(crate) fn shared(&self) -> RedisResult<ConnectionManager> {
        Ok(ConnectionManager::new(self.clone()))
    }

    /// A connection for commands that answer at once.
    pub(super) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        self.connect_with(Some(REPLY)).await
    }

    /// A connection for one loop that blocks. Its replies may take as long as they like.
    pub(crate) async fn blocking(&self) -> RedisResult<MultiplexedConnection> {
        self.connect_with(None).await
    }

    async fn connect_with(&self, reply: Option<Duration>) -> RedisResult<MultiplexedConnection> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(reply);
        self.client().await?.get_multiplexed_async_connection_with_config(&config).await
    }

    /// A connection that listens to channels.
    pub(crate) async fn pubsub(&self) -> RedisResult<PubSub> {
        let client = self.client().await?;
        tokio::time::timeout(CONNECT, client.get_async_pubsub()).await.unwrap_or_else(|_| Err(no_answer()))
    }

    /// Connects once, so that a wrong password or address shows. Waits for a Redis that is not there.
    ///
    /// # Errors
    /// If Redis refuses the credentials, or its certificate is not trusted.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        let mut backoff = crate::queue::backoff::Backoff::default();
        let unreachable = Repeats::default();
        loop {
            match self.knock().await {
                Ok(()) => return Ok(()),
                Err(error) if refuses(&error) => return Err(error).context(REFUSED),
                Err(error) => {
                    if let Some(times) = unreachable.due() {
                        tracing::warn!(%error, times, "cannot connect to Redis; retrying");
                    }
                }
            }
            backoff.pause().await;
        }
    }

    /// Connects and says something: without a password that is needed, only that is refused.
    async fn knock(&self) -> RedisResult<()> {
        let mut connection = self.connect().await?;
        cmd("PING").query_async(&mut connection).await
    }

    /// The database.
    pub(super) fn db(&self) -> i64 {
        self.to.redis_settings().db()
    }

    async fn client(&self) -> RedisResult<Client> {
        let to = ConnectionInfo::clone(&self.to);
        match &self.sentinels {
            None => Client::open(to),
            Some(sentinels) => Client::open(to.set_addr(sentinels.master().await?)),
        }
    }
}

const REFUSED: &str = "Redis cannot be used (check REDIS_URL, or REDIS_HOST and the other parts)";

/// How each certificate begins.
const MARK: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Looks once whether Redis takes the credentials, for a process that can do without Redis for a while.
///
/// # Errors
/// If Redis refuses them. That it cannot be reached, or is not configured, is no error.
pub async fn check_credentials(settings: &Settings) -> anyhow::Result<()> {
    if !Style::of(settings).is_routed() {
        return Ok(());
    }
    if settings.redis_url.is_none() {
        tracing::warn!("no task will run: Redis is not configured (set REDIS_URL or REDIS_HOST)");
        return Ok(());
    }
    match Redis::open(settings)?.knock().await {
        Err(error) if refuses(&error) => Err(error).context(REFUSED),
        Err(error) => {
            tracing::warn!(%error, "Redis cannot be reached; tasks run once it can");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

pub(super) fn no_answer() -> RedisError {
    RedisError::from((ErrorKind::Io, "Redis did not answer in time"))
}

fn connection_info(settings: &Settings, url: &str) -> anyhow::Result<ConnectionInfo> {
    let encrypted = url.starts_with("rediss:") || url.starts_with("valkeys:");
    let Some(file) = settings.redis_ca_certs.as_ref().filter(|_| encrypted) else {
        let client = Client::open(url).context("REDIS_URL cannot be read")?;
        return Ok(client.get_connection_info().clone());
    };
    let pem = std::fs::read(file)
        .with_context(|| format!("REDIS_SSL_CA_CERTS: {} cannot be read", file.display()))?;
    let there = pem.windows(MARK.len()).any(|text| text == MARK);
    ensure!(there, "REDIS_SSL_CA_CERTS: {} holds no certificates (they must be PEM)", file.display());
    let trusted = TlsCertificates { client_tls: None, root_cert: Some(pem) };
    let client = Client::build_with_tls(url, trusted)
        .with_context(|| format!("REDIS_URL, or the certificates of {}, cannot be read", file.display()))?;
    Ok(client.get_connection_info().clone())
}

/// Whether trying again is no use.
fn refuses(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig)
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
        || error.to_string().contains("refused to switch database")
        || error.to_string().contains("invalid peer certificate")
}
