//! The shared listener of a host: one session that listens for all of its workers, one look at the queue for
//! all of them, and the host's part in coordinating all workers.
//!
//! A notification that was missed is found by looking: a session that was cut is opened again, and then all
//! workers look.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entities::{Pulp, db};
use rand::Rng;
use sea_orm::sqlx::postgres::PgListener;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::queue_mover::{self, QueueMover};
use super::relay::{self, Signal};
use super::{coordinator, in_time, steps};
use crate::queue::backoff::Backoff;
use crate::queue::rows;

/// How often the queue is looked at. The others are told of every look: a listener that cannot look is none.
const POLL: Duration = Duration::from_secs(1);

/// How long a look may take.
const BOUND: Duration = Duration::from_secs(2);

/// Wakes a sleeper.
const WAKE: &str = "SELECT wake_idle(1)";

/// Whether a process of this installation is alive.
const IS_ALIVE: &str = "SELECT 1 AS one FROM process WHERE pulp_id = $1 AND gone_at IS NULL";

/// Workers of one host that a shared listener serves; more of them ask its deputies.
const SUBSCRIBERS: usize = 4096;

/// What a worker needs to be the shared listener of its host.
#[derive(Clone, Debug)]
pub(crate) struct SharedListener {
    pub(crate) pulp: Pulp,
    /// For looks; the session that listens is another one.
    pub(crate) db: DatabaseConnection,
    pub(crate) worker: Uuid,
    /// The tasks it knows.
    pub(crate) names: Vec<String>,
    pub(crate) queue_mover: QueueMover,
}

/// Who is told. A worker that is gone has dropped its end.
#[derive(Clone, Debug, Default)]
struct Subscribers {
    workers: Arc<Mutex<HashMap<Uuid, mpsc::Sender<Signal>>>>,
    changed: Arc<Notify>,
}

impl Subscribers {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, mpsc::Sender<Signal>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing if there are too many.
    fn add(&self, worker: Uuid) -> Option<mpsc::Receiver<Signal>> {
        let (told, signals) = mpsc::channel(4);
        let mut workers = self.lock();
        if workers.len() >= SUBSCRIBERS {
            return None;
        }
        workers.insert(worker, told);
        self.changed.notify_one();
        Some(signals)
    }

    /// A worker that has not yet heard the last signals needs no more of them.
    fn tell(&self, worker: Uuid, signal: Signal) {
        if let Some(told) = self.lock().get(&worker) {
            let _ = told.try_send(signal);
        }
    }

    fn tell_all(&self, signal: Signal) {
        for told in self.lock().values() {
            let _ = told.try_send(signal);
        }
    }
}

impl SharedListener {
    /// Listens until it is dropped, for this worker and for those that ask at `socket`.
    pub(super) async fn serve(&self, socket: UnixListener, own: mpsc::Sender<Signal>) {
        let subscribers = Subscribers::default();
        subscribers.lock().insert(self.worker, own);
        tokio::join!(
            self.listen_again_and_again(&subscribers),
            self.look_now_and_then(&subscribers),
            self.welcome(socket, &subscribers),
            coordinator::serve(&self.pulp, &self.db, self.worker, &self.queue_mover),
        );
    }

    async fn listen_again_and_again(&self, subscribers: &Subscribers) {
        let mut backoff = Backoff::default();
        loop {
            if let Err(error) = self.listen(subscribers, &mut backoff).await {
                tracing::debug!(%error, "lost the session that listens for notifications; listening again");
            }
            backoff.pause().await;
        }
    }

    /// Listens until the session is lost.
    async fn listen(&self, subscribers: &Subscribers, backoff: &mut Backoff) -> Result<(), DbErr> {
        let lost = |error: sea_orm::sqlx::Error| DbErr::Custom(error.to_string());
        let pool = db::connect_with(&self.pulp.settings, &self.worker.to_string(), 1, &[]).await?;
        let mut listener =
            PgListener::connect_with(pool.get_postgres_connection_pool()).await.map_err(lost)?;
        listener.eager_reconnect(false);
        let mut heard: Vec<Uuid> = Vec::new();
        loop {
            subscribers.lock().retain(|_, told| !told.is_closed());
            let present: Vec<Uuid> = subscribers.lock().keys().copied().collect();
            for gone in heard.iter().filter(|worker| !present.contains(worker)) {
                listener.unlisten(&channel(*gone)).await.map_err(lost)?;
            }
            let new: Vec<Uuid> = present.iter().filter(|worker| !heard.contains(worker)).copied().collect();
            let channels: Vec<String> = new.iter().copied().map(channel).collect();
            if !new.is_empty() {
                listener.listen_all(channels.iter().map(String::as_str)).await.map_err(lost)?;
            }
            for worker in new {
                // What was told before this session listened.
                subscribers.tell(worker, Signal::Work);
                subscribers.tell(worker, Signal::Cancel);
            }
            heard = present;
            backoff.reset();
            loop {
                let notification = tokio::select! {
                    notification = listener.try_recv() => notification.map_err(lost)?,
                    () = subscribers.changed.notified() => break,
                };
                let Some(notification) = notification else { return Ok(()) };
                let signal = if notification.payload() == "cancel" { Signal::Cancel } else { Signal::Work };
                let worker = notification.channel().strip_prefix(CHANNEL).map(Uuid::try_parse);
                if let Some(Ok(worker)) = worker {
                    subscribers.tell(worker, signal);
                }
            }
        }
    }

    /// Moves the queue on if no process does, and tells all workers if none is known to sleep that could
    /// work.
    async fn look_now_and_then(&self, subscribers: &Subscribers) {
        loop {
            let poll = POLL.mul_f64(rand::rng().random_range(0.8..1.2));
            tokio::time::sleep(poll).await;
            if subscribers.lock().values().any(mpsc::Sender::is_closed) {
                subscribers.changed.notify_one();
            }
            match in_time(BOUND, self.look()).await {
                Ok(0) => subscribers.tell_all(Signal::Work),
                Ok(_) => subscribers.tell_all(Signal::Nothing),
                Err(error) => tracing::debug!(%error, "cannot read the queue; retrying"),
            }
        }
    }

    /// Returns how many were woken; 1 if none had to be.
    async fn look(&self) -> Result<i32, DbErr> {
        if !steps::any_work(&self.db, &self.names).await? {
            return Ok(1);
        }
        queue_mover::move_queue(&self.db, 0).await?;
        if !steps::any_late(&self.db, &self.names).await? {
            return Ok(1);
        }
        rows::value(&self.db, db::sql(WAKE, [])).await
    }

    /// Hears for the workers that ask.
    async fn welcome(&self, socket: UnixListener, subscribers: &Subscribers) {
        let mut served = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = served.join_next() => {}
                accepted = socket.accept() => match accepted {
                    Ok((stream, _)) => {
                        served.spawn(serve_worker(self.db.clone(), stream, subscribers.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a worker of this host");
                        tokio::time::sleep(POLL).await;
                    }
                },
            }
        }
    }
}

/// Serves one worker until it is gone.
async fn serve_worker(db: DatabaseConnection, mut stream: UnixStream, subscribers: Subscribers) {
    let Ok(worker) = relay::accept_worker(&mut stream).await else { return };
    // Another installation may go by the same name: a copy of this one.
    if !matches!(db.query_one_raw(db::sql(IS_ALIVE, [worker.into()])).await, Ok(Some(_))) {
        return;
    }
    let Some(signals) = subscribers.add(worker) else { return };
    if let Err(error) = relay::forward(stream, signals).await {
        tracing::debug!(%error, %worker, "lost the connection to a worker of this host");
    }
    subscribers.changed.notify_one();
}

/// What channels are called, before the id of the worker.
const CHANNEL: &str = "pulp_";

fn channel(worker: Uuid) -> String {
    format!("{CHANNEL}{worker}")
}
