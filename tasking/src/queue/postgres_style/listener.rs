//! How a worker learns that there is work, or that its task is canceled: from the shared listener of its
//! host, or one of its deputies. Where none of them replies, the worker polls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entities::db;
use rand::Rng;
use sea_orm::DbErr;
use tokio::net::UnixListener;
use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::relay::{self, Role, Signal};
use super::shared_listener::SharedListener;
use crate::queue::backoff::Backoff;
use crate::queue::rows;

/// How long until a worker without a shared listener, or one that is a deputy, asks again.
const AGAIN: Duration = Duration::from_secs(5);

/// How many stand in, one after the other, for a shared listener that is stopped or has too much to do.
const DEPUTIES: u8 = 3;

/// Tells installations apart whose workers share a host.
const INSTALLATION: &str = "SELECT installation()";

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    inbox: Arc<Inbox>,
    _attending: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Inbox {
    work: Notify,
    /// Whether a shared listener looks at the queue for this worker.
    attended: AtomicBool,
    canceled: mpsc::Sender<()>,
}

impl Inbox {
    fn receive(&self, signal: Signal) {
        match signal {
            // A look that is under way may be too early; one that is asked for is enough.
            Signal::Cancel => drop(self.canceled.try_send(())),
            Signal::Work => self.work.notify_one(),
            Signal::Nothing => {}
        }
    }
}

impl Listener {
    /// Begins to listen for a worker; `canceled` is told of cancels.
    pub(crate) fn start(shared: SharedListener, canceled: mpsc::Sender<()>) -> Listener {
        let inbox = Arc::new(Inbox { work: Notify::new(), attended: AtomicBool::new(false), canceled });
        let attending = tokio::spawn(attend(shared, inbox.clone()));
        Listener { inbox, _attending: AbortOnDropHandle::new(attending) }
    }

    /// Waits until there may be work.
    pub(crate) async fn work(&self) {
        self.inbox.work.notified().await;
    }

    /// Whether a shared listener looks at the queue for this worker, so that it need not do so often.
    pub(crate) fn is_attended(&self) -> bool {
        self.inbox.attended.load(Ordering::Relaxed)
    }
}

async fn attend(shared: SharedListener, inbox: Arc<Inbox>) {
    let mut found = find(&shared, DEPUTIES).await;
    loop {
        inbox.attended.store(found.is_some(), Ordering::Relaxed);
        found = match found {
            Some((_, Role::Subscriber(mut subscription))) => {
                while let Ok(signal) = subscription.next().await {
                    inbox.receive(signal);
                }
                None
            }
            Some((deputy, Role::Owner(socket))) => {
                tracing::debug!(deputy, "this worker listens on behalf of this host");
                tokio::select! {
                    () = listen(&shared, socket, &inbox) => None,
                    found = is_relieved(&shared, deputy) => Some(found),
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
            inbox.attended.store(false, Ordering::Relaxed);
            found = find(&shared, DEPUTIES).await;
        }
        // What was told meanwhile.
        inbox.receive(Signal::Work);
        inbox.receive(Signal::Cancel);
    }
}

/// Listens on behalf of the host.
async fn listen(shared: &SharedListener, socket: UnixListener, inbox: &Inbox) {
    let (told, mut signals) = mpsc::channel(4);
    let hears = async {
        while let Some(signal) = signals.recv().await {
            inbox.receive(signal);
        }
    };
    tokio::join!(shared.serve(socket, told), hears);
}

/// Finds the shared listener, or the first of so many deputies whose place is free or who replies.
async fn find(shared: &SharedListener, deputies: u8) -> Option<(u8, Role)> {
    let installation = installation(shared)
        .await
        .inspect_err(|error| tracing::debug!(%error, "cannot find the shared listener; this worker polls once a second"))
        .ok()?;
    for deputy in 0..=deputies {
        match relay::join(installation, shared.worker, deputy).await {
            Ok(found) => return Some((deputy, found)),
            Err(error) => tracing::debug!(%error, deputy, "no shared listener on this host"),
        }
    }
    None
}

/// Waits until a listener that this worker stands in for replies again, or its place is free. For ever, if it
/// is no deputy.
async fn is_relieved(shared: &SharedListener, deputy: u8) -> (u8, Role) {
    loop {
        tokio::time::sleep(AGAIN).await;
        if let Some(above) = deputy.checked_sub(1)
            && let Some(found) = find(shared, above).await
        {
            return found;
        }
    }
}

/// Tells installations apart whose workers share a host.
async fn installation(shared: &SharedListener) -> Result<Uuid, DbErr> {
    let mut backoff = Backoff::default();
    loop {
        match rows::value(&shared.db, db::sql(INSTALLATION, [])).await {
            Ok(id) => return Ok(id),
            Err(error) if db::is_passing(&error) => backoff.pause().await,
            Err(error) => return Err(error),
        }
    }
}
