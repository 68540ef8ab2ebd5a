//! How a worker hears that there is work, or that its task is canceled: by the ear of its host, or one of its deputies.
//!
//! Where none of them answers, the worker looks by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entities::db;
use rand::Rng;
use sea_orm::{ConnectionTrait, DbErr};
use tokio::net::UnixListener;
use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::relay::{self, Role, Signal};
use super::shared_listener::SharedListener;
use crate::queue::backoff::Backoff;

/// How long until a worker that is not heard for, or that is a deputy, asks again.
const AGAIN: Duration = Duration::from_secs(5);

/// How many stand in for an ear that does not answer, because it is stopped or has too much to do, one after the other.
const DEPUTIES: u8 = 3;

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    heard: Arc<Heard>,
    _attending: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Heard {
    work: Notify,
    /// Whether somebody looks at the queue for this worker.
    attended: AtomicBool,
    canceled: mpsc::Sender<()>,
}

impl Heard {
    fn word(&self, word: Signal) {
        match word {
            // A look that is under way may be too early; one that is asked for is enough.
            Signal::Cancel => drop(self.canceled.try_send(())),
            Signal::Work => self.work.notify_one(),
            Signal::Nothing => {}
        }
    }
}

impl Listener {
    /// Begins to listen for a worker; `canceled` is told of cancels.
    pub(crate) fn start(ear: SharedListener, canceled: mpsc::Sender<()>) -> Listener {
        let heard = Arc::new(Heard { work: Notify::new(), attended: AtomicBool::new(false), canceled });
        let attending = tokio::spawn(attend(ear, heard.clone()));
        Listener { heard, _attending: AbortOnDropHandle::new(attending) }
    }

    /// Waits until there may be work.
    pub(crate) async fn work(&self) {
        self.heard.work.notified().await;
    }

    /// Whether an ear looks at the queue for this worker, so that it need not do so often.
    pub(crate) fn is_attended(&self) -> bool {
        self.heard.attended.load(Ordering::Relaxed)
    }
}

async fn attend(ear: SharedListener, heard: Arc<Heard>) {
    let mut found = find(&ear, DEPUTIES).await;
    loop {
        heard.attended.store(found.is_some(), Ordering::Relaxed);
        found = match found {
            Some((_, Role::Subscriber(mut subscription))) => {
                while let Ok(word) = subscription.next().await {
                    heard.word(word);
                }
                None
            }
            Some((deputy, Role::Owner(socket))) => {
                tracing::debug!(deputy, "this worker hears for all of its host");
                tokio::select! {
                    () = hear(&ear, socket, &heard) => None,
                    found = is_relieved(&ear, deputy) => Some(found),
                }
            }
            // The worker looks by itself.
            None => {
                let pause = AGAIN.mul_f64(rand::rng().random_range(0.5..1.5));
                tokio::time::sleep(pause).await;
                None
            }
        };
        if found.is_none() {
            heard.attended.store(false, Ordering::Relaxed);
            found = find(&ear, DEPUTIES).await;
        }
        // What was told meanwhile.
        heard.word(Signal::Work);
        heard.word(Signal::Cancel);
    }
}

/// Is the ear, and hears.
async fn hear(ear: &SharedListener, socket: UnixListener, heard: &Heard) {
    let (told, mut words) = mpsc::channel(4);
    let hears = async {
        while let Some(word) = words.recv().await {
            heard.word(word);
        }
    };
    tokio::join!(ear.hear(socket, told), hears);
}

/// Who hears, or that this worker is to: the ear, or the first of so many deputies whose place is free or who answers.
async fn find(ear: &SharedListener, deputies: u8) -> Option<(u8, Role)> {
    let installation = installation(ear)
        .await
        .inspect_err(|error| tracing::warn!(%error, "this worker looks for work by itself, once a second"))
        .ok()?;
    for deputy in 0..=deputies {
        match relay::find(installation, ear.worker, deputy).await {
            Ok(found) => return Some((deputy, found)),
            Err(error) => tracing::debug!(%error, deputy, "nobody hears there for this worker"),
        }
    }
    None
}

/// Waits until somebody hears again whom this worker stands in for, or that place is free. Never, if it is no deputy.
async fn is_relieved(ear: &SharedListener, deputy: u8) -> (u8, Role) {
    loop {
        tokio::time::sleep(AGAIN).await;
        if let Some(above) = deputy.checked_sub(1)
            && let Some(found) = find(ear, above).await
        {
            return found;
        }
    }
}

/// Tells installations apart whose workers share a host.
async fn installation(ear: &SharedListener) -> Result<Uuid, DbErr> {
    let mut backoff = Backoff::default();
    loop {
        match ear.db.query_one_raw(db::sql("SELECT installation() AS id", [])).await {
            Ok(Some(row)) => return row.try_get("", "id"),
            Ok(None) => return Err(DbErr::RecordNotFound("the installation has no name".to_owned())),
            Err(error) if db::is_passing(&error) => backoff.pause().await,
            Err(error) => return Err(error),
        }
    }
}
