//! One download: from upstream into the digests, the artifact store, and to the client at once.
//!
//! The last bytes are held back until all of them are checked, so a client never gets a complete file that is not
//! the right one: the connection ends early instead (A16).

use std::ops::Range;

use bytes::Bytes;
use entities::checksum::{Digester, Expected, Mismatch};
use entities::storage::Writer;
use entities::{Pulp, artifact, db};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use sea_orm::ConnectionTrait;
use tasking::download::DownloadError;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::on_demand;
use crate::stream::BodyError;

/// Pieces that wait for the client; upstream waits when it is that far ahead.
const WAITING: usize = 4;

/// Why a download was of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Mismatch(#[from] Mismatch),
    #[error("{0}")]
    Download(#[from] DownloadError),
}

/// What happens to the bytes besides being sent.
pub(crate) enum Sink {
    /// They are saved as an artifact of the domain, for this file of a content unit.
    Save { writer: Box<Writer>, domain: Uuid, content_artifact: Uuid },
    /// They are digested only.
    Discard(Box<Digester>),
}

impl Sink {
    pub(crate) fn save(pulp: &Pulp, domain: Uuid, content_artifact: Uuid) -> Sink {
        Sink::Save { writer: Box::new(pulp.storage.writer()), domain, content_artifact }
    }

    pub(crate) fn discard(pulp: &Pulp) -> Sink {
        Sink::Discard(Box::new(Digester::new(&pulp.settings.allowed_content_checksums)))
    }

    fn size(&self) -> u64 {
        match self {
            Sink::Save { writer, .. } => writer.size(),
            Sink::Discard(digester) => digester.size(),
        }
    }
}

/// A download in progress.
pub(crate) struct Relay {
    pulp: Pulp,
    sink: Sink,
    expected: Expected,
    remote_artifact: Uuid,
}

/// The way to the client.
pub(crate) struct Sender {
    pieces: mpsc::Sender<Result<Bytes, BodyError>>,
    /// What part of the file the client gets.
    part: Range<u64>,
    /// Where in the file we are.
    position: u64,
    held: Option<Bytes>,
}

/// The two ends of the way to a client that gets a part of a file.
pub(crate) fn channel(part: Range<u64>) -> (Sender, BoxStream<'static, Result<Bytes, BodyError>>) {
    let (pieces, receiver) = mpsc::channel(WAITING);
    let body = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    (Sender { pieces, part, position: 0, held: None }, body.boxed())
}

/// The client is gone.
struct Gone;

impl Sender {
    /// Sends the piece before this one, and holds this one.
    async fn send(&mut self, bytes: Bytes) -> Result<(), Gone> {
        let from = self.part.start.saturating_sub(self.position).min(bytes.len() as u64);
        let to = self.part.end.saturating_sub(self.position).min(bytes.len() as u64);
        self.position += bytes.len() as u64;
        if from >= to {
            return Ok(());
        }
        match self.held.replace(bytes.slice(from as usize..to as usize)) {
            Some(held) => self.pieces.send(Ok(held)).await.map_err(|_| Gone),
            None => Ok(()),
        }
    }

    /// Ends the body: well, or early.
    async fn end(mut self, outcome: Result<(), Failure>) {
        let last = match outcome {
            Ok(()) => self.held.take().map(Ok),
            Err(failure) => Some(Err(BodyError::from(failure))),
        };
        if let Some(last) = last {
            // A client that left meanwhile misses nothing.
            let _ = self.pieces.send(last).await;
        }
    }
}

impl Relay {
    pub(crate) fn new(pulp: Pulp, sink: Sink, expected: Expected, remote_artifact: Uuid) -> Relay {
        Relay { pulp, sink, expected, remote_artifact }
    }

    /// Digests the next bytes, and saves them if they are to be saved. If they cannot be saved, the client gets
    /// them all the same.
    pub(crate) async fn take(&mut self, bytes: Bytes) -> Result<(), Failure> {
        let size = self.sink.size() + bytes.len() as u64;
        if let Some(expected) = self.expected.size.filter(|expected| size > *expected) {
            on_demand::mark_failed(&self.pulp, self.remote_artifact).await;
            return Err(Mismatch::Size { expected, actual: size }.into());
        }
        match &mut self.sink {
            Sink::Discard(digester) => digester.update(&bytes),
            Sink::Save { writer, .. } => {
                if let Err(error) = writer.write(bytes).await {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a file is served without being saved"
                    );
                    self.give_up_saving();
                }
            }
        }
        Ok(())
    }

    fn give_up_saving(&mut self) {
        let unsaved = Sink::discard(&self.pulp);
        if let Sink::Save { writer, .. } = std::mem::replace(&mut self.sink, unsaved) {
            self.sink = Sink::Discard(Box::new(writer.into_digester()));
        }
    }

    /// Checks what came, and makes it the artifact of its file.
    pub(crate) async fn finish(self) -> Result<(), Failure> {
        let (writer, domain, content_artifact) = match self.sink {
            Sink::Discard(digester) => {
                let size = digester.size();
                let checked = self.expected.check(size, &digester.finish());
                if checked.is_err() {
                    on_demand::mark_failed(&self.pulp, self.remote_artifact).await;
                }
                return Ok(checked?);
            }
            Sink::Save { writer, domain, content_artifact } => (writer, domain, content_artifact),
        };
        let staged = match writer.finish(&self.expected).await {
            Ok(staged) => staged,
            Err(entities::Error::Digest(mismatch)) => {
                on_demand::mark_failed(&self.pulp, self.remote_artifact).await;
                return Err(mismatch.into());
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a file could not be stored");
                return Ok(());
            }
        };
        let saved = async {
            let txn = db::begin(&self.pulp.db).await?;
            let rows = artifact::save(&txn, &self.pulp.storage, domain, &[staged]).await?;
            let artifact = rows.first().map(|row| row.pulp_id);
            let sql =
                "UPDATE content_artifact SET artifact_id = $2 WHERE pulp_id = $1 AND artifact_id IS NULL";
            txn.execute_raw(db::sql(sql, [content_artifact.into(), artifact.into()])).await?;
            txn.commit().await?;
            Ok::<_, entities::Error>(())
        };
        if let Err(error) = saved.await {
            tracing::error!(error = &error as &dyn std::error::Error, "a file was served but not saved");
        }
        Ok(())
    }

    /// Passes everything on: first what was fetched `ahead` and taken already, then the rest. Stops when the client
    /// leaves before the end of what it wanted (A20); nothing is kept then.
    pub(crate) async fn run(
        mut self,
        ahead: Vec<Bytes>,
        mut rest: BoxStream<'static, Result<Bytes, DownloadError>>,
        mut sender: Sender,
    ) {
        for bytes in ahead {
            if sender.send(bytes).await.is_err() {
                return;
            }
        }
        while let Some(bytes) = rest.next().await {
            let taken = match bytes {
                Ok(bytes) => self.take(bytes.clone()).await.map(|()| bytes),
                Err(error) => Err(error.into()),
            };
            match taken {
                Ok(bytes) => {
                    if sender.send(bytes).await.is_err() {
                        return;
                    }
                }
                Err(failure) => {
                    tracing::warn!(%failure, "a download is cut off");
                    return sender.end(Err(failure)).await;
                }
            }
        }
        let outcome = self.finish().await;
        if let Err(failure) = &outcome {
            tracing::warn!(%failure, "a download is cut off");
        }
        sender.end(outcome).await;
    }
}
