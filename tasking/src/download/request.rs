//! One request to an upstream: redirects are followed here, so that what belongs to the remote stays with its
//! origin.

use std::sync::OnceLock;

use entities::{Pulp, remote};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Response, StatusCode};
use url::{Origin, Url};

use super::client::{self, Credentials};
use super::error::Failure;

/// Redirects that are followed.
const REDIRECTS: usize = 10;

/// On which connections requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connections {
    /// Those that are open already, if there are any.
    Kept,
    /// New ones: some upstreams break those that are used again.
    New,
}

/// The HTTP client of a remote.
#[derive(Debug)]
pub(super) struct Http {
    pulp: Pulp,
    remote: remote::Model,
    kept: Client,
    new: OnceLock<Client>,
    cid: Option<HeaderValue>,
    /// The remote's own, which go to its origin alone.
    headers: HeaderMap,
    credentials: Option<Credentials>,
}

impl Http {
    pub(super) fn new(pulp: &Pulp, remote: &remote::Model, cid: &str) -> anyhow::Result<Http> {
        let credentials = client::credentials(&pulp.keyring, remote)?;
        let mut headers = client::headers(remote)?;
        if credentials.is_some() {
            headers.remove(AUTHORIZATION);
        }
        Ok(Http {
            kept: client::build(&pulp.keyring, remote, Connections::Kept)?,
            new: OnceLock::new(),
            cid: HeaderValue::from_str(cid).ok().filter(|cid| !cid.is_empty()),
            headers,
            credentials,
            pulp: pulp.clone(),
            remote: remote.clone(),
        })
    }

    /// Asks for a URL and follows redirects; the response is whatever the last of them leads to.
    pub(super) async fn get(&self, url: &Url, connections: Connections) -> Result<Response, Failure> {
        let origin = url.clone();
        let mut url = url.clone();
        for _ in 0..=REDIRECTS {
            let response = self.send(&url, is_of(&origin, &url), connections).await?;
            match target(&response, &url)? {
                Some(target) => url = target,
                None => return Ok(response),
            }
        }
        Err(Failure::Redirect(format!("there are more than {REDIRECTS} redirects")))
    }

    async fn send(&self, url: &Url, own: bool, connections: Connections) -> Result<Response, Failure> {
        let request = |client: &Client| {
            let mut request = client.get(url.clone());
            if let Some(cid) = &self.cid {
                request = request.header(HeaderName::from_static("correlation-id"), cid);
            }
            if !own || !self.headers.contains_key(ACCEPT_ENCODING) {
                // Without it any coding is allowed (RFC 9110, section 12.5.3).
                request = request.header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            if own {
                request = request.headers(self.headers.clone());
                if let Some(login) = &self.credentials {
                    request = request.basic_auth(&login.username, Some(&login.password));
                }
            }
            request
        };
        let sent = match connections {
            Connections::New => request(self.new_connections()).send().await,
            Connections::Kept => match request(&self.kept).send().await {
                Err(error) if error.is_request() && !error.is_connect() && !error.is_timeout() => {
                    tracing::debug!(error = %error.without_url(), "asked again on a new connection");
                    request(self.new_connections()).send().await
                }
                sent => sent,
            },
        };
        sent.map_err(|error| Failure::Http(error.without_url()))
    }

    /// The client without kept connections, made when it is needed.
    fn new_connections(&self) -> &Client {
        self.new.get_or_init(|| {
            let built = client::build(&self.pulp.keyring, &self.remote, Connections::New);
            // The same was built before.
            built.unwrap_or_else(|_| self.kept.clone())
        })
    }
}

/// Whether a URL is of an origin, or of the same host by TLS instead of without.
fn is_of(origin: &Url, url: &Url) -> bool {
    let upgraded = || {
        let plain = Origin::Tuple("http".to_owned(), url.host().map(|host| host.to_owned())?, 80);
        let secure = Origin::Tuple("https".to_owned(), url.host().map(|host| host.to_owned())?, 443);
        Some(origin.origin() == plain && url.origin() == secure)
    };
    origin.origin() == url.origin() || upgraded().unwrap_or_default()
}

/// Where a response redirects to, if it does.
fn target(response: &Response, url: &Url) -> Result<Option<Url>, Failure> {
    let redirects = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let Some(location) = response.headers().get(LOCATION).filter(|_| redirects) else { return Ok(None) };
    let wrong = || Failure::Redirect("the server redirects to something that is no HTTP URL".to_owned());
    let target = std::str::from_utf8(location.as_bytes()).ok().and_then(|location| url.join(location).ok());
    match target {
        Some(target) if matches!(target.scheme(), "http" | "https") => Ok(Some(target)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_and_port_make_an_origin() {
        let is = |first: &str, second: &str| is_of(&first.parse().unwrap(), &second.parse().unwrap());
        assert!(is("http://a/x", "http://a:80/y") && is("http://a/x", "https://a/y"));
        for (first, second) in [
            ("http://a/", "http://b/"),
            ("http://a/", "http://a:81/"),
            ("https://a/", "http://a/"),
            ("http://a:81/", "https://a/"),
            ("http://a/", "https://a:444/"),
        ] {
            assert!(!is(first, second), "{first} {second}");
        }
    }
}
