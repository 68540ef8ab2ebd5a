//! Queues: lists whose messages are moved to a processing list, and leave it after their effect is done.

use std::time::Duration;

use deadpool_redis::redis::aio::{ConnectionLike, MultiplexedConnection};
use deadpool_redis::redis::{Direction, RedisResult, cmd, pipe};
use tokio_util::sync::ReusableBoxFuture;

use super::lease::Lease;
use super::message::{Notice, Order};
use super::rejected::{self, RejectPath};
use super::{ConnectionManager, Redis, scripts, strangers};
use crate::queue::redis_style::codec;

/// How many notices the manager takes at once.
const BATCH: usize = 256;

/// The manager's side: notices come in, orders go out. All of it only while the lease is ours; a lost lease
/// is answered with `None` or false.
#[derive(Debug)]
pub(crate) struct ManagerQueue {
    redis: Redis,
    connection: ConnectionManager,
    lease: Lease,
}

/// Notices whose effects are done, to acknowledge.
#[derive(Clone, Debug)]
pub(crate) enum Taken {
    /// So many of the oldest.
    Oldest(usize),
    /// This one.
    This(Vec<u8>),
}

/// What was heard at the queue of the manager. It is on the processing list then.
#[derive(Clone, Debug)]
pub(crate) enum Bell {
    /// Something.
    Anything,
    /// This notice, of these bytes.
    Notice(Notice, Vec<u8>),
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

    /// Sends orders and acknowledges notices. Returns those that are not acknowledged then, oldest first,
    /// with new ones to fill the batch. What cannot be read is kept aside, and is not among them.
    pub(crate) async fn exchange(
        &mut self,
        orders: &[Sent],
        taken: &Taken,
    ) -> RedisResult<Option<Vec<Notice>>> {
        let keys = &self.redis.keys;
        let processing = keys.processing(crate::queue::process::RESOURCE_MANAGER);
        let mut call = scripts::EXCHANGE.prepare_invoke();
        call.key(self.lease.key()).key(keys.manager()).key(&processing);
        let (count, this) = match taken {
            Taken::Oldest(count) => (*count, &[][..]),
            Taken::This(bytes) => (0, &bytes[..]),
        };
        call.arg(self.lease.value()).arg(count).arg(BATCH).arg(this);
        for order in orders {
            call.key(keys.queue(&order.name)).arg(order.bytes.as_slice());
        }
        let taken: RedisResult<Option<Vec<Vec<u8>>>> = call.invoke_async(&mut self.connection).await;
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => {
                let mut lists = vec![keys.manager(), processing];
                lists.push(keys.rejected(crate::queue::process::RESOURCE_MANAGER));
                lists.extend(orders.iter().map(|order| keys.queue(&order.name)));
                strangers::remove(&mut self.connection, &lists, &error).await;
                return Err(error);
            }
        };
        let Some(taken) = taken else { return Ok(None) };
        let mut notices = Vec::with_capacity(taken.len());
        for bytes in taken {
            match codec::decode(&bytes) {
                Ok(notice) => notices.push(notice),
                Err(error) => {
                    let lease = Some((self.lease.key(), self.lease.value()));
                    let rejected = keys.rejected(crate::queue::process::RESOURCE_MANAGER);
                    let place = RejectPath { lease, processing: &processing, rejected: &rejected };
                    let why = format!("{error:#}");
                    if !rejected::reject(&mut self.connection, &place, &bytes, &why).await? {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(notices))
    }

    /// Deletes the lists of workers that are gone: what was ordered there is ordered again. False if the
    /// lease is not ours.
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
        let found: RedisResult<Option<Vec<i64>>> = call.invoke_async(&mut self.connection).await;
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                let lists: Vec<String> =
                    orders.iter().map(|order| self.redis.keys.queue(&order.name)).collect();
                strangers::remove(&mut self.connection, &lists, &error).await;
                return Err(error);
            }
        };
        Ok(found.map(|found| found.into_iter().map(|count| count > 0).collect()))
    }
}

/// Waits until a notice has come; `None` after `timeout`.
pub(crate) async fn await_notice(
    connection: &mut MultiplexedConnection,
    redis: &Redis,
    timeout: Duration,
) -> RedisResult<Option<Bell>> {
    let keys = &redis.keys;
    let (queue, processing) = (keys.manager(), keys.processing(crate::queue::process::RESOURCE_MANAGER));
    let moved = match block_move(connection, &queue, &processing, timeout).await {
        Ok(moved) => moved,
        Err(error) => {
            strangers::remove(connection, &[queue, processing], &error).await;
            return Err(error);
        }
    };
    Ok(moved.map(|bytes| match codec::decode(&bytes) {
        Ok(notice) => Bell::Notice(notice, bytes),
        Err(_) => Bell::Anything,
    }))
}

/// The worker's side: orders come in.
pub(crate) struct WorkerQueue {
    connection: MultiplexedConnection,
    queue: String,
    processing: String,
    rejected: String,
    /// A wait that was begun. It goes on while it is not polled, and what comes is not lost.
    waiting: Option<ReusableBoxFuture<'static, RedisResult<Option<Vec<u8>>>>>,
}

/// An order and how to acknowledge it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// What to do.
    pub(crate) order: Order,
    /// Its bytes, which are on the processing list.
    pub(crate) bytes: Vec<u8>,
}

impl WorkerQueue {
    /// Opens the queue of the worker `name`, on a connection of its own.
    pub(crate) async fn open(redis: &Redis, name: &str) -> RedisResult<WorkerQueue> {
        let connection = redis.blocking().await?;
        let (queue, processing) = (redis.keys.queue(name), redis.keys.processing(name));
        let rejected = redis.keys.rejected(name);
        Ok(WorkerQueue { connection, queue, processing, rejected, waiting: None })
    }

    /// Waits for an order; `None` after about `timeout`, or when something else was there, which is kept
    /// aside. May be dropped.
    pub(crate) async fn wait(&mut self, timeout: Duration) -> RedisResult<Option<Received>> {
        let waiting = self.waiting.get_or_insert_with(|| {
            let mut connection = self.connection.clone();
            let (queue, processing) = (self.queue.clone(), self.processing.clone());
            ReusableBoxFuture::new(
                async move { block_move(&mut connection, &queue, &processing, timeout).await },
            )
        });
        let bytes = waiting.await;
        self.waiting = None;
        self.take(bytes).await
    }

    /// The next order if there is one.
    pub(crate) async fn next(&mut self) -> RedisResult<Option<Received>> {
        if self.waiting.is_some() {
            return Ok(None);
        }
        let bytes: RedisResult<Option<Vec<u8>>> = cmd("LMOVE")
            .arg(&self.queue)
            .arg(&self.processing)
            .arg(Direction::Left)
            .arg(Direction::Right)
            .query_async(&mut self.connection)
            .await;
        self.take(bytes).await
    }

    /// What came of a move: an order, or a failure, after which the lists are lists.
    async fn take(&mut self, moved: RedisResult<Option<Vec<u8>>>) -> RedisResult<Option<Received>> {
        let taken = match moved {
            Ok(bytes) => self.read(bytes).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &taken {
            let lists = [&self.queue, &self.processing, &self.rejected].map(Clone::clone);
            strangers::remove(&mut self.connection, &lists, error).await;
        }
        taken
    }

    async fn read(&mut self, bytes: Option<Vec<u8>>) -> RedisResult<Option<Received>> {
        let Some(bytes) = bytes else { return Ok(None) };
        match codec::decode(&bytes) {
            Ok(order) => Ok(Some(Received { order, bytes })),
            Err(error) => {
                let place =
                    RejectPath { lease: None, processing: &self.processing, rejected: &self.rejected };
                rejected::reject(&mut self.connection, &place, &bytes, &format!("{error:#}")).await?;
                Ok(None)
            }
        }
    }
}

/// What a worker acknowledges of the orders that it has taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Done<'a> {
    /// These: their effects are done.
    These(&'a [Vec<u8>]),
    /// All: what else is on the list will never be read.
    All,
}

/// Tells the manager, and acknowledges orders.
pub(crate) async fn report(
    connection: &mut ConnectionManager,
    redis: &Redis,
    worker_name: &str,
    notice: &Notice,
    done: Done<'_>,
) -> anyhow::Result<()> {
    let bytes = codec::encode(notice)?;
    let processing = redis.keys.processing(worker_name);
    let mut pipe = pipe();
    pipe.rpush(redis.keys.manager(), bytes).ignore();
    match done {
        Done::These(orders) => {
            for order in orders {
                pipe.lrem(&processing, 1, order).ignore();
            }
        }
        Done::All => {
            pipe.del(&processing).ignore();
        }
    }
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
