//! What is known of a request before it is handled.

use std::fmt;
use std::net::IpAddr;

use http::{HeaderMap, Uri, header, uri};

use crate::forwarded::Forwarded;
use crate::{Trusted, correlation};

/// The value in a request's extensions: its correlation id, and where it came from.
///
/// A filter gets it by `warp::ext::get::<RequestInfo>()`.
#[derive(Clone, Debug)]
pub struct RequestInfo {
    /// The correlation id (R33): the client's own or a new one.
    pub correlation_id: String,
    /// The client's address; none for a client of a unix socket of whom no proxy says an address.
    pub client: Option<IpAddr>,
    /// How the client reached the server, or the proxy before it.
    pub scheme: Scheme,
    /// The host, with its port if that is given, that the client asked.
    pub host: String,
}

/// A scheme of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Over TLS, which a proxy ends.
    Https,
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        })
    }
}

impl RequestInfo {
    /// The address of a path of this server, as the client has to write it. The path begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.host)
    }

    /// Reads it from a request of `peer`, which is none for a unix socket. What a proxy says is believed if
    /// it is trusted, and is taken out of the headers if it is not.
    pub(crate) fn read(
        headers: &mut HeaderMap,
        address: &Uri,
        peer: Option<IpAddr>,
        trusted: &Trusted,
    ) -> RequestInfo {
        let forwarded = if trusted.contains(peer) {
            Forwarded::read(headers)
        } else {
            Forwarded::remove(headers);
            Forwarded::default()
        };
        let asked = || headers.get(header::HOST)?.to_str().ok().and_then(host);
        RequestInfo {
            correlation_id: correlation::id(headers),
            client: forwarded.client.or(peer),
            scheme: forwarded.scheme.unwrap_or(Scheme::Http),
            host: forwarded
                .host
                .or_else(|| address.authority().and_then(|authority| host(authority.as_str())))
                .or_else(asked)
                .unwrap_or_else(|| "localhost".to_owned()),
        }
    }
}

/// A host as it can stand in an address; none if the text is something else.
pub(crate) fn host(text: &str) -> Option<String> {
    let authority: uri::Authority = text.parse().ok()?;
    (!authority.host().is_empty() && !text.contains('@')).then(|| text.to_owned())
}
