//! One download: from upstream into the digests, the staging area, and to the client at once.
//!
//! The last bytes are held back until all of them are checked, so a client never gets a complete file that is
//! not the right one: the connection ends early instead (A16).

use std::ops::Range;

use bytes::Bytes;
use entities::checksum::{Digester, Expected, Mismatch};
use entities::storage::{Staged, Writer};
use entities::{Pulp, Result as Saved};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use tasking::download::DownloadError;
use tokio::sync::mpsc;

use crate::stream::BodyError;

/// Pieces that wait for the client; upstream waits when it is that far ahead.
const WAITING: usize = 4;

/// What the bytes become once they are checked.
pub(crate) type Save = Box<dyn FnOnce(Staged) -> BoxFuture<'static, Saved<()>> + Send>;

/// Why a download was of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Mismatch(#[from] Mismatch),
    #[error("{0}")]
    Download(#[from] DownloadError),
}

/// Why a download did not reach its end.
pub(crate) enum Stopped {
    /// The client left before the end of what it wanted (A20).
    ClientGone,
    /// Upstream failed, or sent wrong bytes.
    Failed(Failure),
}

/// What happens to the bytes besides being sent.
enum Sink {
    Save(Box<Writer>, Save),
    /// They are digested only.
    Discard(Box<Digester>),
}

impl Sink {
    fn size(&self) -> u64 {
        match self {
            Sink::Save(writer, _) => writer.size(),
            Sink::Discard(digester) => digester.size(),
        }
    }

    fn discard(pulp: &Pulp) -> Sink {
        Sink::Discard(Box::new(Digester::new(&pulp.settings.allowed_content_checksums)))
    }
}

/// A download in progress.
pub(crate) struct Relay {
    pulp: Pulp,
    sink: Sink,
    expected: Expected,
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

impl Sender {
    /// Sends the piece before this one, and holds this one.
    async fn send(&mut self, bytes: Bytes) -> Result<(), Stopped> {
        let from = self.part.start.saturating_sub(self.position).min(bytes.len() as u64);
        let to = self.part.end.saturating_sub(self.position).min(bytes.len() as u64);
        self.position += bytes.len() as u64;
        if from >= to {
            return Ok(());
        }
        match self.held.replace(bytes.slice(from as usize..to as usize)) {
            Some(held) => self.pieces.send(Ok(held)).await.map_err(|_| Stopped::ClientGone),
            None => Ok(()),
        }
    }

    /// Ends the body with the piece that was held.
    pub(crate) async fn complete(mut self) {
        if let Some(last) = self.held.take() {
            // A client that left meanwhile misses nothing.
            let _ = self.pieces.send(Ok(last)).await;
        }
    }

    /// Ends the body early, and with it the client's connection.
    pub(crate) async fn cut(self, failure: Failure) {
        let _ = self.pieces.send(Err(failure.into())).await;
    }
}

impl Relay {
    /// A download of bytes that are `expected`. Without `save` they are not kept.
    pub(crate) fn new(pulp: &Pulp, expected: Expected, save: Option<Save>) -> Relay {
        let sink = match save {
            Some(save) => Sink::Save(Box::new(pulp.storage.writer()), save),
            None => Sink::discard(pulp),
        };
        Relay { pulp: pulp.clone(), sink, expected }
    }

    /// Digests the next bytes, and stages them if they are to be saved. If they cannot be staged, the client
    /// gets them all the same.
    pub(crate) async fn take(&mut self, bytes: Bytes) -> Result<(), Failure> {
        let size = self.sink.size() + bytes.len() as u64;
        if let Some(expected) = self.expected.size.filter(|expected| size > *expected) {
            return Err(Mismatch::Size { expected, actual: size }.into());
        }
        match &mut self.sink {
            Sink::Discard(digester) => digester.update(&bytes),
            Sink::Save(writer, _) => {
                if let Err(error) = writer.write(bytes).await {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "cannot stage a download; it is sent without being saved"
                    );
                    self.discard();
                }
            }
        }
        Ok(())
    }

    fn discard(&mut self) {
        let unsaved = Sink::discard(&self.pulp);
        if let Sink::Save(writer, _) = std::mem::replace(&mut self.sink, unsaved) {
            self.sink = Sink::Discard(Box::new(writer.into_digester()));
        }
    }

    /// Checks what came, and saves it.
    pub(crate) async fn finish(self) -> Result<(), Failure> {
        let (writer, save) = match self.sink {
            Sink::Discard(digester) => {
                let size = digester.size();
                return Ok(self.expected.check(size, &digester.finish())?);
            }
            Sink::Save(writer, save) => (writer, save),
        };
        let saved = match writer.finish(&self.expected).await {
            Ok(staged) => save(staged).await,
            Err(entities::Error::Digest(mismatch)) => return Err(mismatch.into()),
            Err(error) => Err(error),
        };
        if let Err(error) = saved {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "cannot save a download; it is sent all the same"
            );
        }
        Ok(())
    }

    /// Passes everything on: first what was fetched `ahead` and taken already, then the rest; then checks and
    /// saves it. The last piece is left to [`Sender::complete`]. If the client leaves, nothing is kept.
    pub(crate) async fn run(
        mut self,
        ahead: Vec<Bytes>,
        mut rest: BoxStream<'static, Result<Bytes, DownloadError>>,
        sender: &mut Sender,
    ) -> Result<(), Stopped> {
        for bytes in ahead {
            sender.send(bytes).await?;
        }
        while let Some(bytes) = rest.next().await {
            let bytes = bytes.map_err(|error| Stopped::Failed(error.into()))?;
            self.take(bytes.clone()).await.map_err(Stopped::Failed)?;
            sender.send(bytes).await?;
        }
        self.finish().await.map_err(Stopped::Failed)
    }
}
