//! What is known of a request before it is handled.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, Request, Uri, Version, header};

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

/// Whether a request names what it wants, and of whom: a path, and one host unless it is of an HTTP before
/// 1.1 (RFC 9112, sections 3.2 and 3.2.3).
pub(crate) fn is_valid<B>(request: &Request<B>) -> bool {
    let named: Vec<Option<String>> =
        request.headers().get_all(header::HOST).iter().map(|value| host(value.to_str().ok()?)).collect();
    let is_named = match request.version() {
        Version::HTTP_11 => named.len() == 1,
        _ => named.len() <= 1,
    };
    let address = request.uri();
    address.path_and_query().is_some()
        && is_named
        && named.iter().all(Option::is_some)
        && address.authority().is_none_or(|authority| host(authority.as_str()).is_some())
}

/// A host, with or without a port, as it can stand in an address; none if the text is something else.
pub(crate) fn host(text: &str) -> Option<String> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_name = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        }
    };
    (is_name && port.is_none_or(is_port)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_other_texts() {
        for text in ["a", "pulp.example", "pulp_api:8443", "192.0.2.1:80", "[::1]", "[2001:db8::1]:443"] {
            assert_eq!(host(text).as_deref(), Some(text));
        }
        for text in [
            "",
            ":80",
            "a:",
            "a:b",
            "a:99999",
            "a:+1",
            "a b",
            "a/b",
            "x@y",
            "user:pw@evil",
            "evil\"<script>",
            "::1",
            "[::1",
            "[x]",
            "[]:80",
            "a,b",
            "a%2fb",
            "a\\b",
            "a:1:2",
        ] {
            assert_eq!(host(text), None, "{text}");
        }
    }
}
