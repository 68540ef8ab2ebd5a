//! The upstream of the job: a folder, served over HTTP on a free port of this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running server.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

impl Upstream {
    /// Starts to serve `directory`.
    ///
    /// # Errors
    /// If there is no free port.
    pub(crate) async fn serve(directory: PathBuf) -> std::io::Result<Upstream> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shutdown = CancellationToken::new();
        let stopped = shutdown.clone().cancelled_owned();
        let server = warp::serve(warp::fs::dir(directory)).incoming(listener).graceful(stopped);
        Ok(Upstream { address, shutdown, server: tokio::spawn(server.run()) })
    }

    /// The URL of its list of files.
    pub(crate) fn manifest_url(&self) -> String {
        format!("http://{}/PULP_MANIFEST", self.address)
    }

    /// Stops it, without waiting for connections that are kept open.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.server.abort();
        drop(self.server.await);
    }
}
