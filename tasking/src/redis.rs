//! The Redis side of tasking: names, connections, queues, scripts and the leader's lease.
//!
//! Everything here is an index of rows in Postgres. It may be lost at any moment and is made again.

pub(crate) mod connection;
pub(crate) mod keys;
pub(crate) mod lease;
mod manager;
pub(crate) mod message;
mod ping;
pub(crate) mod queue;
pub(crate) mod rejected;
pub(crate) mod scripts;
mod sentinels;

pub(crate) use connection::Redis;
pub use connection::check_credentials;
pub(crate) use deadpool_redis::redis::RedisResult;
pub(crate) use manager::ConnectionManager;
pub use ping::RedisPing;
