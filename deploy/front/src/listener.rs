//! Sockets that take connections.

use std::io::{Error, ErrorKind};
use std::net::IpAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

use crate::Bind;

/// A socket that takes connections.
#[derive(Debug)]
pub struct Listener(Socket);

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// A connection.
pub(crate) type Stream = Either<TcpStream, UnixStream>;

impl Listener {
    /// Listens. A unix socket that was left behind by a process that is gone is replaced; its mode follows
    /// from the umask of the process.
    ///
    /// # Errors
    /// If the address or the socket is in use, or not one of this machine.
    pub async fn bind(bind: &Bind) -> anyhow::Result<Listener> {
        let complaint = || format!("cannot listen on {bind} (is it in use? choose another with --bind)");
        match bind {
            Bind::Tcp { host, port } => {
                let listener = TcpListener::bind((host.as_str(), *port)).await.with_context(complaint)?;
                Ok(Listener(Socket::Tcp(listener)))
            }
            Bind::Unix(path) => {
                remove_stale(path).await.with_context(complaint)?;
                let listener = UnixListener::bind(path).with_context(complaint)?;
                let identity = identity(path).with_context(complaint)?;
                let file = SocketFile { path: path.clone(), identity };
                Ok(Listener(Socket::Unix(listener, file)))
            }
        }
    }

    /// Where it listens: `http://ADDR:PORT`, with the port that the system chose, or `unix:PATH`.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn address(&self) -> anyhow::Result<String> {
        Ok(match &self.0 {
            Socket::Tcp(listener) => format!("http://{}", listener.local_addr()?),
            Socket::Unix(_, file) => format!("unix:{}", file.path.display()),
        })
    }

    /// The next connection, and the address it comes from; none for a unix socket.
    pub(crate) async fn accept(&self) -> std::io::Result<(Stream, Option<IpAddr>)> {
        match &self.0 {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Small responses leave at once; only a socket that is closed already refuses.
                let _ = stream.set_nodelay(true);
                Ok((Either::Left(stream), Some(peer.ip().to_canonical())))
            }
            Socket::Unix(listener, _) => Ok((Either::Right(listener.accept().await?.0), None)),
        }
    }
}

/// The file of a unix socket. It is removed at the end, unless another process has replaced it meanwhile.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = identity(&self.path).is_ok_and(|there| there == self.identity);
        if is_ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the socket could not be removed");
        }
    }
}

/// The device and the inode of a file.
fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Removes a socket that no process listens on.
async fn remove_stale(path: &Path) -> anyhow::Result<()> {
    let there = match std::fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !there.file_type().is_socket() {
        bail!("a file that is no socket is there");
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(Error::from(ErrorKind::AddrInUse).into()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(std::fs::remove_file(path)?),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_was_left_behind_is_replaced_and_nothing_else_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let bind = Bind::Unix(path.clone());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listener = Listener::bind(&bind).await.unwrap();
        assert_eq!(listener.address().unwrap(), format!("unix:{}", path.display()));
        let error = Listener::bind(&bind).await.unwrap_err();
        assert!(format!("{error:#}").contains("in use"), "{error:#}");
        drop(listener);
        assert!(!path.exists(), "it is removed at the end");

        std::fs::write(&path, "precious").unwrap();
        assert!(Listener::bind(&bind).await.is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
