//! Tasking over Redis: names, connections, queues, scripts and the leader's lease.
//!
//! Everything in Redis is an index of rows in Postgres. It may be lost at any moment and is built again.
//!
//! Of deadpool-redis only the `redis` crate is used, and no pool: most commands share one multiplexed
//! connection, and the few that block (`BLMOVE`, subscriptions) each keep one for as long as their loop runs,
//! so there is nothing to hand back.

pub(crate) mod claims;
pub mod codec;
pub(crate) mod connection;
mod connection_manager;
pub(crate) mod keys;
pub(crate) mod lease;
pub(crate) mod message;
pub(crate) mod notifier;
mod ping;
pub(crate) mod queue;
pub(crate) mod rejected;
pub(crate) mod scripts;
mod sentinels;
mod strangers;

pub(crate) use connection::Redis;
pub use connection::check_credentials;
pub(crate) use connection_manager::ConnectionManager;
pub(crate) use deadpool_redis::redis::RedisResult;
pub use ping::RedisPing;
