//! A shared connection that finds Redis again after a failure, wherever Redis is then.
//!
//! The crate's own manager keeps the address it was made with, and reconnects with a back-off of its own:
//! behind sentinels it would stay with a server that has become a replica. This one asks the sentinels at
//! every reconnection, also when the server says READONLY.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deadpool_redis::redis::aio::{ConnectionLike, MultiplexedConnection};
use deadpool_redis::redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, Value};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::Redis;

type Opening = Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>;

/// A connection to share; cheap to clone. It connects when it is first used, and anew when it is used after a
/// failure. Connecting goes on if the command that began it is dropped.
#[derive(Clone)]
pub(crate) struct ConnectionManager {
    redis: Redis,
    current: Arc<Mutex<Current>>,
}

/// The connection that is used, or being made, and which of all that is.
#[derive(Default)]
struct Current {
    number: u64,
    opening: Option<Opening>,
}

impl ConnectionManager {
    pub(super) fn new(redis: Redis) -> ConnectionManager {
        ConnectionManager { redis, current: Arc::default() }
    }

    async fn connection(&self) -> (u64, RedisResult<MultiplexedConnection>) {
        let (number, opening) = {
            let mut current = self.lock();
            let opening = current.opening.get_or_insert_with(|| open(self.redis.clone())).clone();
            (current.number, opening)
        };
        (number, opening.await)
    }

    /// Runs a command; a failure of the connection makes the next one connect anew.
    async fn run<T>(
        &self,
        command: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> RedisResult<T> {
        let (number, connection) = self.connection().await;
        match connection {
            Ok(mut connection) => command(&mut connection).await.inspect_err(|error| {
                if is_lost(error) {
                    self.forget(number);
                }
            }),
            Err(error) => {
                self.forget(number);
                Err(error)
            }
        }
    }

    fn forget(&self, number: u64) {
        let mut current = self.lock();
        if current.number == number {
            *current = Current { number: number + 1, opening: None };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionLike for ConnectionManager {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.run(async |connection: &mut MultiplexedConnection| connection.req_packed_command(command).await)
            .boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.run(async move |connection: &mut MultiplexedConnection| {
            connection.req_packed_commands(commands, offset, count).await
        })
        .boxed()
    }

    fn get_db(&self) -> i64 {
        self.redis.db()
    }
}

impl std::fmt::Debug for ConnectionManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionManager").field("redis", &self.redis).finish_non_exhaustive()
    }
}

fn open(redis: Redis) -> Opening {
    let task = tokio::spawn(async move { redis.connect().await });
    let ended = |_| RedisError::from((ErrorKind::Io, "connecting to Redis was abandoned"));
    task.map(move |done| done.unwrap_or_else(|error| Err(ended(error)))).boxed().shared()
}

/// Whether a connection is of no use any more: it broke, it is silent, or its server takes no writes (any
/// more).
fn is_lost(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || matches!(error.code(), Some("READONLY" | "MASTERDOWN" | "UNBLOCKED"))
}
