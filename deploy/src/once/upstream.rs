//! The upstream of the job: a folder, served over HTTP on a free port of this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;

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
    pub(crate) fn serve(directory: PathBuf) -> std::io::Result<Upstream> {
        let socket = TcpSocket::new_v4()?;
        // Accepted connections inherit it. Without it, the end of each file waits for a delayed
        // acknowledgement.
        socket.set_nodelay(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(BACKLOG)?;
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
