//! Connections to Redis, from `REDIS_URL` (`redis://`, `rediss://`, `redis+unix://`).

use std::time::Duration;

use anyhow::Context;
use deadpool_redis::redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection, PubSub};
use deadpool_redis::redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult};
use entities::Settings;
use entities::settings::WorkerStyle;

use super::keys::Keys;

/// How long a reply may take on a connection that never blocks.
const REPLY: Duration = Duration::from_secs(2);

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(2);

/// The way to Redis, and the names there; cheap to clone. Opens nothing by itself.
#[derive(Clone, Debug)]
pub(crate) struct Redis {
    client: Client,
    /// The names of everything.
    pub(crate) keys: Keys,
}

impl Redis {
    /// What the settings say.
    pub(crate) fn open(settings: &Settings) -> anyhow::Result<Redis> {
        let url = settings.redis_url.as_ref().context(
            "Redis is not configured, and this style of tasking needs it: set REDIS_URL or REDIS_HOST.",
        )?;
        let client = Client::open(url.0.as_str()).context("REDIS_URL cannot be read")?;
        Ok(Redis { client, keys: Keys::new(&settings.redis_key_prefix) })
    }

    /// A connection to share, for commands that answer at once. It connects when it is first used, and again after a
    /// failure; the command that meets the failure gets the error.
    pub(crate) fn shared(&self) -> RedisResult<ConnectionManager> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(REPLY));
        self.client.get_connection_manager_lazy(config)
    }

    /// A connection for one loop that blocks. Its replies may take as long as they like.
    pub(crate) async fn blocking(&self) -> RedisResult<MultiplexedConnection> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(None);
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// A connection that listens to channels.
    pub(crate) async fn pubsub(&self) -> RedisResult<PubSub> {
        tokio::time::timeout(CONNECT, self.client.get_async_pubsub())
            .await
            .unwrap_or_else(|_| Err(RedisError::from((ErrorKind::Io, "Redis did not answer in time"))))
    }

    /// Connects once, so that a wrong password or address shows. Waits for a Redis that is not there.
    ///
    /// # Errors
    /// If Redis refuses the credentials.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        let mut backoff = crate::backoff::Backoff::default();
        loop {
            match self.blocking().await {
                Ok(_) => return Ok(()),
                Err(error) if refuses(&error) => return Err(error).context("Redis refuses the connection"),
                Err(error) => tracing::warn!(%error, "Redis cannot be reached; trying again"),
            }
            backoff.pause().await;
        }
    }
}

/// Looks once whether Redis takes the credentials, for a process that can do without Redis for a while.
///
/// # Errors
/// If Redis refuses them. That it cannot be reached, or is not configured, is no error.
pub async fn check_credentials(settings: &Settings) -> anyhow::Result<()> {
    if settings.worker_style != WorkerStyle::Redis {
        return Ok(());
    }
    if settings.redis_url.is_none() {
        tracing::warn!("no task will run: Redis is not configured (set REDIS_URL or REDIS_HOST)");
        return Ok(());
    }
    match Redis::open(settings)?.blocking().await {
        Err(error) if refuses(&error) => Err(error).context("Redis refuses the connection (check REDIS_URL)"),
        Err(error) => {
            tracing::warn!(%error, "Redis cannot be reached; tasks run once it can");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// Whether trying again is no use.
fn refuses(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig)
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
}
