//! Queues: lists whose messages are moved to a processing list, and leave it after their effect is done.

use std::time::Duration;

use deadpool_redis::redis::aio::{ConnectionLike, MultiplexedConnection};
use deadpool_redis::redis::{Direction, RedisResult, cmd, pipe};

use super::lease::Lease;
use super::message::{Notice, Order};
use super::rejected::{self, Place};
use super::{ConnectionManager, Redis, scripts};
use crate::codec;

/// How many notices the manager takes at once.
pub(crate) const BATCH: usize = 256;

/// The manager's side: notices come in, orders go out. All of it only while the lease is ours; a lost lease is
/// answered with `None` or false.
#[derive(Debug)]
pub(crate) struct ManagerQueue {
    redis: Redis,
    connection: ConnectionManager,
    lease: Lease,
}

/// An order in a worker's queue.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// The name of the worker.
    pub(crate) name: String,
    /// The message.
    pub(crate) bytes: Vec<u8>,
}

impl ManagerQueue {
    pub(crate) fn new(redis: Redis, connection: ConnectionManager, lease: Lease) -> ManagerQueue {
        ManagerQueue { redis, connection, lease }
    }

    /// The notices that are not acknowledged, oldest first, with new ones to fill the batch. What cannot be read is
    /// kept aside, and is not among those to acknowledge.
    pub(crate) async fn take(&mut self) -> RedisResult<Option<Vec<Notice>>> {
        let keys = &self.redis.keys;
        let processing = keys.processing(crate::process::RESOURCE_MANAGER);
        let taken: Option<Vec<Vec<u8>>> = scripts::TAKE
            .key(self.lease.key())
            .key(keys.manager())
            .key(&processing)
            .arg(self.lease.value())
            .arg(BATCH)
            .invoke_async(&mut self.connection)
            .await?;
        let Some(taken) = taken else { return Ok(None) };
        let mut notices = Vec::with_capacity(taken.len());
        for bytes in taken {
            match codec::decode(&bytes) {
                Ok(notice) => notices.push(notice),
                Err(error) => {
                    let lease = Some((self.lease.key(), self.lease.value()));
                    let rejected = keys.rejected(crate::process::RESOURCE_MANAGER);
                    let place = Place { lease, processing: &processing, rejected: &rejected };
                    let why = format!("{error:#}");
                    if !rejected::reject(&mut self.connection, &place, &bytes, &why).await? {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(notices))
    }

    /// Sends orders and acknowledges the oldest `acknowledged` notices.
    pub(crate) async fn send(&mut self, orders: &[Sent], acknowledged: usize) -> RedisResult<bool> {
        if orders.is_empty() && acknowledged == 0 {
            return Ok(true);
        }
        let mut call = scripts::SEND.prepare_invoke();
        call.key(self.lease.key()).key(self.redis.keys.processing(crate::process::RESOURCE_MANAGER));
        call.arg(self.lease.value()).arg(acknowledged);
        for order in orders {
            call.key(self.redis.keys.queue(&order.name)).arg(order.bytes.as_slice());
        }
        let done: i64 = call.invoke_async(&mut self.connection).await?;
        Ok(done == 1)
    }

    /// Deletes the lists of workers that are gone: what was ordered there is ordered again. False if the lease is not
    /// ours.
    pub(crate) async fn forget(&mut self, names: &[String]) -> RedisResult<bool> {
        let mut call = scripts::FORGET.prepare_invoke();
        call.key(self.lease.key()).arg(self.lease.value());
        for name in names {
            call.key(self.redis.keys.queue(name)).key(self.redis.keys.processing(name));
        }
        let done: i64 = call.invoke_async(&mut self.connection).await?;
        Ok(done == 1)
    }

    /// Takes orders back; true for each that its worker had not taken.
    pub(crate) async fn take_back(&mut self, orders: &[Sent]) -> RedisResult<Option<Vec<bool>>> {
        let mut call = scripts::TAKE_BACK.prepare_invoke();
        call.key(self.lease.key()).arg(self.lease.value());
        for order in orders {
            call.key(self.redis.keys.queue(&order.name)).arg(order.bytes.as_slice());
        }
        let found: Option<Vec<i64>> = call.invoke_async(&mut self.connection).await?;
        Ok(found.map(|found| found.into_iter().map(|count| count > 0).collect()))
    }
}

/// Waits until a notice has come, which is then on the processing list; false after `timeout`.
pub(crate) async fn await_notice(
    connection: &mut MultiplexedConnection,
    redis: &Redis,
    timeout: Duration,
) -> RedisResult<bool> {
    let keys = &redis.keys;
    let (queue, processing) = (keys.manager(), keys.processing(crate::process::RESOURCE_MANAGER));
    let moved: Option<Vec<u8>> = block_move(connection, &queue, &processing, timeout).await?;
    Ok(moved.is_some())
}

/// The worker's side: orders come in.
#[derive(Debug)]
pub(crate) struct WorkerQueue {
    connection: MultiplexedConnection,
    queue: String,
    processing: String,
    rejected: String,
}

impl WorkerQueue {
    /// Opens the queue of the worker `name`, on a connection of its own.
    pub(crate) async fn open(redis: &Redis, name: &str) -> RedisResult<WorkerQueue> {
        let connection = redis.blocking().await?;
        let (queue, processing) = (redis.keys.queue(name), redis.keys.processing(name));
        Ok(WorkerQueue { connection, queue, processing, rejected: redis.keys.rejected(name) })
    }

    /// Waits for an order; `None` after `timeout`, or when something else was there, which is kept aside.
    pub(crate) async fn wait(&mut self, timeout: Duration) -> RedisResult<Option<Order>> {
        let bytes = block_move(&mut self.connection, &self.queue, &self.processing, timeout).await?;
        self.read(bytes).await
    }

    /// The next order if there is one.
    pub(crate) async fn next(&mut self) -> RedisResult<Option<Order>> {
        let bytes: Option<Vec<u8>> = cmd("LMOVE")
            .arg(&self.queue)
            .arg(&self.processing)
            .arg(Direction::Left)
            .arg(Direction::Right)
            .query_async(&mut self.connection)
            .await?;
        self.read(bytes).await
    }

    async fn read(&mut self, bytes: Option<Vec<u8>>) -> RedisResult<Option<Order>> {
        let Some(bytes) = bytes else { return Ok(None) };
        match codec::decode(&bytes) {
            Ok(order) => Ok(Some(order)),
            Err(error) => {
                let place = Place { lease: None, processing: &self.processing, rejected: &self.rejected };
                rejected::reject(&mut self.connection, &place, &bytes, &format!("{error:#}")).await?;
                Ok(None)
            }
        }
    }
}

/// Tells the manager, and acknowledges the orders that a worker has taken.
pub(crate) async fn report(
    connection: &mut ConnectionManager,
    redis: &Redis,
    worker_name: &str,
    notice: &Notice,
) -> anyhow::Result<()> {
    let bytes = codec::encode(notice)?;
    let mut pipe = pipe();
    pipe.rpush(redis.keys.manager(), bytes).ignore().del(redis.keys.processing(worker_name)).ignore();
    let () = pipe.query_async(connection).await?;
    Ok(())
}

/// Tells the manager.
pub(crate) async fn notify(
    connection: &mut ConnectionManager,
    redis: &Redis,
    notice: &Notice,
) -> anyhow::Result<()> {
    let bytes = codec::encode(notice)?;
    let _: i64 = cmd("RPUSH").arg(redis.keys.manager()).arg(bytes).query_async(connection).await?;
    Ok(())
}

/// Removes the lists of a worker that has stopped.
pub(crate) async fn remove(connection: &mut ConnectionManager, redis: &Redis, name: &str) -> RedisResult<()> {
    cmd("DEL").arg(redis.keys.queue(name)).arg(redis.keys.processing(name)).query_async(connection).await
}

async fn block_move(
    connection: &mut impl ConnectionLike,
    queue: &str,
    processing: &str,
    timeout: Duration,
) -> RedisResult<Option<Vec<u8>>> {
    cmd("BLMOVE")
        .arg(queue)
        .arg(processing)
        .arg(Direction::Left)
        .arg(Direction::Right)
        .arg(timeout.as_secs_f64())
        .query_async(connection)
        .await
}
