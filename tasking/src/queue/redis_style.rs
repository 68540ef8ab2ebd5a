//! The Redis side of tasking: names, connections, queues, scripts and the leader's lease.
//!
//! Everything here is an index of rows in Postgres. It may be lost at any moment and is made again.

pub mod codec;
pub(crate) mod connection;
mod connection_manager;
pub(crate) mod keys;
pub(crate) mod lease;
pub(crate) mod message;
mod ping;
pub(crate) mod queue;
pub(crate) mod rejected;
pub(crate) mod scripts;
mod sentinels;

pub(crate) use connection::Redis;
pub use connection::check_credentials;
pub(crate) use connection_manager::ConnectionManager;
pub(crate) use deadpool_redis::redis::RedisResult;
pub use ping::RedisPing;
