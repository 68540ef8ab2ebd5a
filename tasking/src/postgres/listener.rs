//! How a worker hears that there is work, or that its task is canceled: by the ear of its host, or by its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entities::db;
use sea_orm::{ConnectionTrait, DbErr};
use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::ear::Ear;
use super::neighbours::{self, Found, Word};
use crate::backoff::Backoff;

/// How long until a worker with an ear of its own asks again for that of its host.
const AGAIN: Duration = Duration::from_secs(5);

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
    fn word(&self, word: Word) {
        match word {
            // A look that is under way may be too early; one that is asked for is enough.
            Word::Cancel => drop(self.canceled.try_send(())),
            Word::Work => self.work.notify_one(),
            Word::Nothing => {}
        }
    }
}

impl Listener {
    /// Begins to listen for a worker; `canceled` is told of cancels.
    pub(crate) fn start(ear: Ear, canceled: mpsc::Sender<()>) -> Listener {
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

async fn attend(ear: Ear, heard: Arc<Heard>) {
    let mut found = find(&ear).await;
    loop {
        heard.attended.store(true, Ordering::Relaxed);
        match found {
            Ok(Found::Neighbour(mut neighbour)) => {
                while let Ok(word) = neighbour.next().await {
                    heard.word(word);
                }
                found = find(&ear).await;
            }
            Ok(Found::Nobody(socket)) => {
                tracing::debug!("this worker hears for all of its host");
                hear(&ear, Some(socket), &heard).await;
                found = find(&ear).await;
            }
            // Whoever should hear does not: until it does again, or is gone, everybody has ears of their own.
            Err(error) => {
                tracing::debug!(%error, "nobody hears for this worker");
                found = tokio::select! {
                    () = hear(&ear, None, &heard) => Err(error),
                    found = find_again(&ear) => Ok(found),
                };
            }
        }
        heard.attended.store(false, Ordering::Relaxed);
        // What was told meanwhile.
        heard.word(Word::Work);
        heard.word(Word::Cancel);
    }
}

/// Is the ear, and hears.
async fn hear(ear: &Ear, socket: Option<tokio::net::UnixListener>, heard: &Heard) {
    let (told, mut words) = mpsc::channel(4);
    let hears = async {
        while let Some(word) = words.recv().await {
            heard.word(word);
        }
    };
    tokio::join!(ear.hear(socket, told), hears);
}

async fn find(ear: &Ear) -> std::io::Result<Found> {
    let installation = installation(ear).await.map_err(std::io::Error::other)?;
    neighbours::find(installation, ear.worker).await
}

async fn find_again(ear: &Ear) -> Found {
    loop {
        tokio::time::sleep(AGAIN).await;
        if let Ok(found) = find(ear).await {
            return found;
        }
    }
}

/// Tells installations apart whose workers share a host.
async fn installation(ear: &Ear) -> Result<Uuid, DbErr> {
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
