//! What stands between one process and one server: connections can be cut, traffic can be stalled.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Controls a proxy; cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate {
    cuts: Arc<watch::Sender<u64>>,
    stalled: Arc<watch::Sender<bool>>,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate { cuts: Arc::new(watch::channel(0).0), stalled: Arc::new(watch::channel(false).0) }
    }
}

impl Gate {
    /// Cuts every connection. New ones are let through.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Holds back everything in both directions, or lets it go on.
    pub fn stall(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }

    /// Resolves with the next cut.
    pub(super) fn next_cut(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut cuts = self.cuts.subscribe();
        async move {
            let _ = cuts.changed().await;
        }
    }

    /// Waits while the traffic is stalled.
    pub(super) async fn pass(&self) {
        let _ = self.stalled.subscribe().wait_for(|stalled| !stalled).await;
    }
}

/// Listens on a socket until it is dropped.
#[derive(Debug)]
pub struct Listener(JoinHandle<()>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens on `path` and serves each connection together with one to `upstream`, until either ends or is cut.
pub(super) fn listen<F>(
    path: &Path,
    upstream: PathBuf,
    gate: Gate,
    serve: impl Fn(UnixStream, UnixStream) -> F + Send + Sync + 'static,
) -> Listener
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = UnixListener::bind(path).unwrap();
    Listener(tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            // A connection that is refused upstream is closed here, which looks much the same.
            let Ok(server) = UnixStream::connect(&upstream).await else {
                // As a server that is not there: nothing is to be won by trying again at once.
                tokio::time::sleep(Duration::from_millis(2)).await;
                continue;
            };
            let (served, cut) = (serve(client, server), gate.next_cut());
            tokio::spawn(async move {
                tokio::select! {
                    () = served => {}
                    () = cut => {}
                }
            });
        }
    }))
}

/// A proxy that knows nothing of what it carries.
pub fn plain(path: &Path, upstream: PathBuf) -> (Gate, Listener) {
    let gate = Gate::default();
    let inner = gate.clone();
    let listener = listen(path, upstream, gate.clone(), move |client, server| {
        let gate = inner.clone();
        async move {
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::select! {
                () = carry(from_client, to_server, &gate) => {}
                () = carry(from_server, to_client, &gate) => {}
            }
        }
    });
    (gate, listener)
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, gate: &Gate) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        gate.pass().await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
