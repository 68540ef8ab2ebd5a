//! Whether Redis is there, for the status page.

use deadpool_redis::redis::cmd;
use entities::Settings;

use super::{ConnectionManager, Redis};

/// Asks Redis for a sign of life over a connection that it keeps; cheap to clone.
#[derive(Clone, Debug)]
pub struct RedisPing(ConnectionManager);

impl RedisPing {
    /// For the Redis of the settings; `None` if they name none. Connects when it is first asked.
    ///
    /// # Errors
    /// If the address or the certificates in the settings cannot be read.
    pub fn new(settings: &Settings) -> anyhow::Result<Option<RedisPing>> {
        if settings.redis_url.is_none() {
            return Ok(None);
        }
        Ok(Some(RedisPing(Redis::open(settings)?.shared()?)))
    }

    /// Whether it answers; takes as long as Redis takes, some seconds at most.
    pub async fn answers(&self) -> bool {
        cmd("PING").query_async::<String>(&mut self.0.clone()).await.is_ok()
    }
}
