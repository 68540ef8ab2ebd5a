//! The ears of a worker: a session that hears when there is work, and when its task is canceled.
//!
//! What is not heard is found by looking: a session that was cut is opened again, and then everything is looked at.

use std::sync::Arc;

use entities::{Settings, db};
use sea_orm::DbErr;
use sea_orm::sqlx::postgres::PgListener;
use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::backoff::Backoff;

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    work: Arc<Notify>,
    _hearing: AbortOnDropHandle<()>,
}

impl Listener {
    /// Begins to listen for a worker; `canceled` is told of cancels.
    pub(crate) fn start(settings: Arc<Settings>, worker: Uuid, canceled: mpsc::Sender<()>) -> Listener {
        let work = Arc::new(Notify::new());
        let hearing = tokio::spawn(hear(settings, worker, work.clone(), canceled));
        Listener { work, _hearing: AbortOnDropHandle::new(hearing) }
    }

    /// Waits until there may be work.
    pub(crate) async fn work(&self) {
        self.work.notified().await;
    }
}

async fn hear(settings: Arc<Settings>, worker: Uuid, work: Arc<Notify>, canceled: mpsc::Sender<()>) {
    let mut backoff = Backoff::default();
    loop {
        let heard = listen(&settings, worker, &work, &canceled, &mut backoff).await;
        if let Err(error) = heard {
            tracing::debug!(%error, "nothing is heard over Postgres for the moment");
        }
        backoff.pause().await;
    }
}

/// Listens until the session is lost.
async fn listen(
    settings: &Settings,
    worker: Uuid,
    work: &Notify,
    canceled: &mpsc::Sender<()>,
    backoff: &mut Backoff,
) -> Result<(), DbErr> {
    let lost = |error: sea_orm::sqlx::Error| DbErr::Custom(error.to_string());
    let pool = db::connect_with(settings, &worker.to_string(), 1, &[]).await?;
    let mut listener = PgListener::connect_with(pool.get_postgres_connection_pool()).await.map_err(lost)?;
    listener.eager_reconnect(false);
    listener.listen(&format!("pulp_{worker}")).await.map_err(lost)?;
    backoff.reset();
    // What was told while nobody listened.
    work.notify_one();
    let _ = canceled.try_send(());
    while let Some(told) = listener.try_recv().await.map_err(lost)? {
        match told.payload() {
            // A look that is under way may be too early; one that is asked for is enough.
            "cancel" => drop(canceled.try_send(())),
            _ => work.notify_one(),
        }
    }
    Ok(())
}
