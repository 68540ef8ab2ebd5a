//! Leadership: a loop that feeds the scheduler from rows, notices and timers, and sends what it decides.
//!
//! Nothing here is kept anywhere else: a term begins with the rows, and whatever goes wrong in it, another
//! look at the rows puts right.

use std::sync::Arc;
use std::time::{Duration, Instant};

use entities::Pulp;
use sea_orm::DatabaseConnection;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::routing::{Routing, Trouble};
use crate::Shutdown;
use crate::queue::backoff::Backoff;
use crate::queue::housekeeping;
use crate::queue::process::Registration;
use crate::queue::reaper::{self, Reaped, Watched};
use crate::queue::redis_style::lease::{Held, Lease};
use crate::queue::redis_style::queue::{Bell, ManagerQueue, await_notice};
use crate::queue::redis_style::{ConnectionManager, Redis, RedisResult};
use crate::queue::repeats::Repeats;

/// How a term ended.
#[derive(Debug)]
pub(super) enum End {
    /// We were asked to stop.
    Stopped,
    /// Another process leads.
    Deposed {
        /// The label.
        holder: String,
    },
    /// The lease is gone, and no other process has taken it yet.
    LeaseMissing,
    /// The lease is ours, but another one has begun a term since: it held the lease before, and was so slow
    /// that it became the leader only after us.
    EpochOver,
}

/// Who leads.
#[derive(Debug)]
pub(super) struct Leader {
    pulp: Pulp,
    db: DatabaseConnection,
    redis: Redis,
    connection: ConnectionManager,
    lease: Lease,
    epoch: i64,
    registration: Registration,
}

impl Leader {
    pub(super) fn new(
        pulp: Pulp,
        db: DatabaseConnection,
        redis: Redis,
        lease: Lease,
        epoch: i64,
        id: Uuid,
    ) -> anyhow::Result<Leader> {
        let registration = Registration::adopt(&pulp, id, pulp.settings.worker_ttl)?;
        let connection = redis.shared()?;
        Ok(Leader { pulp, db, redis, connection, lease, epoch, registration })
    }

    /// Leads until something ends the term.
    pub(super) async fn lead(mut self, shutdown: &Shutdown) -> End {
        let end = tokio::select! {
            end = self.route() => end,
            () = shutdown.requested() => End::Stopped,
        };
        if matches!(end, End::Stopped | End::EpochOver)
            && let Err(error) = self.lease.release(&mut self.connection).await
        {
            tracing::warn!(%error, "cannot release the lease; it will expire");
        }
        if matches!(end, End::Stopped)
            && let Err(error) = self.registration.stop().await
        {
            tracing::warn!(%error, "cannot record that this resource manager stops; it will be reaped");
        }
        end
    }

    async fn route(&mut self) -> End {
        let (held_in, mut held) = watch::channel(Held::Ours);
        let _keeper = spawn(keep(self.lease.clone(), self.connection.clone(), held_in));
        let (told, mut reaped) = mpsc::channel::<Reaped>(64);
        let _observer =
            spawn(reaper::watch(self.pulp.settings.clone(), Some(self.epoch), Watched::All, told));
        let _housekeeper = spawn(housekeeping::run(self.pulp.clone()));
        let (ring, mut bell) = mpsc::channel(1);
        let idle = Arc::new(Notify::new());
        let _listener = spawn(listen(self.redis.clone(), idle.clone(), ring));

        let queue = ManagerQueue::new(self.redis.clone(), self.connection.clone(), self.lease.clone());
        let mut routing = Routing::new(self.db.clone(), queue, self.epoch, self.pulp.settings.worker_ttl);
        let mut backoff = Backoff::default();
        let interrupted = Repeats::default();
        loop {
            let due = routing.due();
            // A timer that is due already would still take a millisecond.
            let at_once = due <= Instant::now();
            if !at_once {
                idle.notify_one();
            }
            let mut rung = None;
            tokio::select! {
                biased;
                changed = held.changed() => match changed {
                    Ok(()) => return lost(held.borrow().clone()),
                    Err(_) => return End::LeaseMissing,
                },
                Some(reaped) = reaped.recv() => routing.reaped(reaped),
                heard = bell.recv() => rung = heard,
                () = std::future::ready(()), if at_once => {}
                () = tokio::time::sleep_until(due.into()) => {}
            }
            match routing.step(rung).await {
                Ok(()) => {
                    backoff.reset();
                    interrupted.over();
                }
                Err(Trouble::NotOurs) => {
                    if let Ok(held) = self.lease.renew(&mut self.connection).await
                        && held != Held::Ours
                    {
                        return lost(held);
                    }
                }
                Err(Trouble::EpochOver) => return End::EpochOver,
                Err(Trouble::Passing(error)) => {
                    if let Some(times) = interrupted.due() {
                        tracing::warn!(
                            error = format!("{error:#}"),
                            times,
                            "routing is interrupted; retrying"
                        );
                    }
                    routing.doubt();
                    tokio::select! {
                        () = backoff.pause() => {}
                        Ok(()) = held.changed() => return lost(held.borrow().clone()),
                    }
                }
            }
        }
    }
}

fn lost(held: Held) -> End {
    match held {
        Held::Other { holder, .. } => End::Deposed { holder },
        Held::Ours | Held::Free => End::LeaseMissing,
    }
}

/// Renews the lease at a third of its time; says so and ends when it is lost.
async fn keep(lease: Lease, mut connection: ConnectionManager, held: watch::Sender<Held>) {
    let third = lease.duration() / 3;
    let failing = Repeats::default();
    loop {
        tokio::time::sleep(third).await;
        loop {
            match tokio::time::timeout(third, lease.renew(&mut connection)).await {
                Ok(Ok(Held::Ours)) => {
                    failing.over();
                    break;
                }
                Ok(Ok(other)) => {
                    let _ = held.send(other);
                    return;
                }
                Ok(Err(error)) => {
                    if let Some(times) = failing.due() {
                        tracing::warn!(%error, times, "cannot renew the lease; retrying");
                    }
                }
                Err(_) => {
                    if let Some(times) = failing.due() {
                        tracing::warn!(times, "renewing the lease timed out; retrying");
                    }
                }
            }
            tokio::time::sleep(third / 8).await;
        }
    }
}

/// Rings when a notice has come, on a connection of its own. Listens only while the manager is idle: while it
/// works, notices come with the replies to its orders.
async fn listen(redis: Redis, idle: Arc<Notify>, ring: mpsc::Sender<Bell>) {
    let mut backoff = Backoff::default();
    let failing = Repeats::default();
    loop {
        let heard: RedisResult<()> = async {
            let mut connection = redis.blocking().await?;
            // What came before it listened.
            let _ = ring.send(Bell::Anything).await;
            loop {
                let come = await_notice(&mut connection, &redis, Duration::from_secs(5));
                let come = tokio::time::timeout(Duration::from_secs(10), come).await;
                backoff.reset();
                failing.over();
                match come {
                    Ok(Ok(Some(bell))) => {
                        if ring.send(bell).await.is_err() {
                            return Ok(());
                        }
                        idle.notified().await;
                    }
                    Ok(Ok(None)) => {}
                    Ok(Err(error)) => return Err(error),
                    Err(_) => return Ok(()),
                }
            }
        }
        .await;
        if ring.is_closed() {
            return;
        }
        if let Err(error) = heard
            && let Some(times) = failing.due()
        {
            tracing::warn!(%error, times, "lost the connection that waits for notices; reconnecting");
        }
        backoff.pause().await;
    }
}

fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(tokio::spawn(future))
}
