//! Where a server listens, as the command line says it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A place to listen.
///
/// `ADDR:PORT` with an IPv4 address, an IPv6 address in brackets or a name; `PORT` alone for 127.0.0.1;
/// `:PORT` and `*:PORT` for all IPv4 addresses, `[::]:PORT` for those of IPv6 as well; `unix:PATH`. With port
/// 0 the system chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// TCP.
    Tcp {
        /// An address without brackets, or a name.
        host: String,
        /// The port.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

impl Bind {
    /// A port of 127.0.0.1.
    pub fn local(port: u16) -> Bind {
        Bind::Tcp { host: "127.0.0.1".to_owned(), port }
    }
}

impl FromStr for Bind {
    type Err = String;

    fn from_str(text: &str) -> Result<Bind, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err("unix: needs the path of a socket".to_owned()),
                path => Ok(Bind::Unix(path.into())),
            };
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
        let port = port.parse().map_err(|_| {
            format!("{text} does not end with a port (write ADDR:PORT, PORT, *:PORT, [::]:PORT or unix:PATH)")
        })?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match (host, bare) {
            ("" | "*", _) => "0.0.0.0",
            (_, Some(address)) if address.parse::<std::net::Ipv6Addr>().is_ok() => address,
            (_, Some(_)) => return Err(format!("{host} is no IPv6 address")),
            (host, None) if host.contains(':') => {
                return Err(format!("an IPv6 address needs brackets: [{host}]:{port}"));
            }
            (host, None) => host,
        };
        Ok(Bind::Tcp { host: host.to_owned(), port })
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bind::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Bind::Tcp { host, port } => write!(f, "{host}:{port}"),
            Bind::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood() {
        for (text, shown) in [
            ("127.0.0.1:24817", "127.0.0.1:24817"),
            ("localhost:80", "localhost:80"),
            ("8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("*:8080", "0.0.0.0:8080"),
            ("[::]:0", "[::]:0"),
            ("[::1]:65535", "[::1]:65535"),
            ("unix:/run/pulp/api.sock", "unix:/run/pulp/api.sock"),
            ("unix:///run/api.sock", "unix:/run/api.sock"),
            ("unix:api.sock", "unix:api.sock"),
        ] {
            assert_eq!(text.parse::<Bind>().map(|bind| bind.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for wrong in ["", "localhost", "a:", ":65536", "::1:80", "[x]:80", "unix:", "-1", "a:b"] {
            assert!(wrong.parse::<Bind>().is_err(), "{wrong}");
        }
    }
}
