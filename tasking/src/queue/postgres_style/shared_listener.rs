//! The ear of a host: one session that hears what its workers are told, one look at the queue for all of them, and the
//! host's part in watching over the others.
//!
//! What is not heard is found by looking: a session that was cut is opened again, and then everybody looks.

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

use super::queue_mover::QueueMover;
use super::relay::{self, Signal};
use super::{coordinator, in_time, steps};
use crate::queue::backoff::Backoff;

/// How often the queue is looked at. The others are told of every look: an ear that cannot look is none.
const POLL: Duration = Duration::from_secs(1);

/// How long a look may take.
const BOUND: Duration = Duration::from_secs(2);

/// Workers of one host that an ear tells; more of them ask its deputies.
const SUBSCRIBERS: usize = 4096;

/// What a worker needs to be an ear.
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
        let (told, words) = mpsc::channel(4);
        let mut workers = self.lock();
        if workers.len() >= SUBSCRIBERS {
            return None;
        }
        workers.insert(worker, told);
        self.changed.notify_one();
        Some(words)
    }

    /// A worker that has not yet heard the last words needs no more of them.
    fn tell(&self, worker: Uuid, word: Signal) {
        if let Some(told) = self.lock().get(&worker) {
            let _ = told.try_send(word);
        }
    }

    fn tell_all(&self, word: Signal) {
        for told in self.lock().values() {
            let _ = told.try_send(word);
        }
    }
}

impl SharedListener {
    /// Hears until it is dropped, for this worker and for those that ask at `socket`.
    pub(super) async fn hear(&self, socket: UnixListener, own: mpsc::Sender<Signal>) {
        let told = Subscribers::default();
        told.lock().insert(self.worker, own);
        tokio::join!(
            self.listen_again_and_again(&told),
            self.look_now_and_then(&told),
            self.welcome(socket, &told),
            coordinator::serve(&self.pulp, &self.db, self.worker, &self.queue_mover),
        );
    }

    async fn listen_again_and_again(&self, told: &Subscribers) {
        let mut backoff = Backoff::default();
        loop {
            if let Err(error) = self.listen(told, &mut backoff).await {
                tracing::debug!(%error, "nothing is heard over Postgres for the moment");
            }
            backoff.pause().await;
        }
    }

    /// Listens until the session is lost.
    async fn listen(&self, told: &Subscribers, backoff: &mut Backoff) -> Result<(), DbErr> {
        let lost = |error: sea_orm::sqlx::Error| DbErr::Custom(error.to_string());
        let pool = db::connect_with(&self.pulp.settings, &self.worker.to_string(), 1, &[]).await?;
        let mut listener =
            PgListener::connect_with(pool.get_postgres_connection_pool()).await.map_err(lost)?;
        listener.eager_reconnect(false);
        let mut heard: Vec<Uuid> = Vec::new();
        loop {
            told.lock().retain(|_, told| !told.is_closed());
            let present: Vec<Uuid> = told.lock().keys().copied().collect();
            for gone in heard.iter().filter(|worker| !present.contains(worker)) {
                listener.unlisten(&channel(*gone)).await.map_err(lost)?;
            }
            let new: Vec<Uuid> = present.iter().filter(|worker| !heard.contains(worker)).copied().collect();
            let channels: Vec<String> = new.iter().copied().map(channel).collect();
            if !new.is_empty() {
                listener.listen_all(channels.iter().map(String::as_str)).await.map_err(lost)?;
            }
            for worker in new {
                // What was told while nobody listened.
                told.tell(worker, Signal::Work);
                told.tell(worker, Signal::Cancel);
            }
            heard = present;
            backoff.reset();
            loop {
                let notification = tokio::select! {
                    notification = listener.try_recv() => notification.map_err(lost)?,
                    () = told.changed.notified() => break,
                };
                let Some(notification) = notification else { return Ok(()) };
                let word = if notification.payload() == "cancel" { Signal::Cancel } else { Signal::Work };
                let worker = notification.channel().strip_prefix(CHANNEL).map(Uuid::try_parse);
                if let Some(Ok(worker)) = worker {
                    told.tell(worker, word);
                }
            }
        }
    }

    /// Moves the queue on if nobody does, and if nobody is known to sleep who could work, tells everybody.
    async fn look_now_and_then(&self, told: &Subscribers) {
        loop {
            let poll = POLL.mul_f64(rand::rng().random_range(0.8..1.2));
            tokio::time::sleep(poll).await;
            if told.lock().values().any(mpsc::Sender::is_closed) {
                told.changed.notify_one();
            }
            match in_time(BOUND, self.look()).await {
                Ok(0) => told.tell_all(Signal::Work),
                Ok(_) => told.tell_all(Signal::Nothing),
                Err(error) => tracing::debug!(%error, "the queue cannot be looked at; trying again"),
            }
        }
    }

    /// Answers how many were woken, if anybody had to be.
    async fn look(&self) -> Result<i32, DbErr> {
        if !steps::any_work(&self.db, &self.names).await? {
            return Ok(1);
        }
        super::queue_mover::promote(&self.db, 0).await?;
        if !steps::any_late(&self.db, &self.names).await? {
            return Ok(1);
        }
        let row = self.db.query_one_raw(db::sql("SELECT wake_idle(1) AS woken", [])).await?;
        row.ok_or_else(|| DbErr::RecordNotFound("wake_idle".to_owned()))?.try_get("", "woken")
    }

    /// Hears for the workers that ask.
    async fn welcome(&self, socket: UnixListener, told: &Subscribers) {
        let mut served = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = served.join_next() => {}
                accepted = socket.accept() => match accepted {
                    Ok((stream, _)) => {
                        served.spawn(serve(self.db.clone(), stream, told.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a worker of this host cannot be heard for");
                        tokio::time::sleep(POLL).await;
                    }
                },
            }
        }
    }
}

/// Serves one worker until it is gone.
async fn serve(db: DatabaseConnection, mut stream: UnixStream, told: Subscribers) {
    let Ok(worker) = relay::asks(&mut stream).await else { return };
    // Another installation may go by the same name: a copy of this one.
    let sql = "SELECT 1 AS one FROM process WHERE pulp_id = $1 AND gone_at IS NULL";
    if !matches!(db.query_one_raw(db::sql(sql, [worker.into()])).await, Ok(Some(_))) {
        return;
    }
    let Some(words) = told.add(worker) else { return };
    if let Err(error) = relay::pass_on(stream, words).await {
        tracing::debug!(%error, %worker, "a worker of this host cannot be told any more");
    }
    told.changed.notify_one();
}

/// What channels are called, before the id of the worker.
const CHANNEL: &str = "pulp_";

fn channel(worker: Uuid) -> String {
    format!("{CHANNEL}{worker}")
}
