//! The HTTP client of one remote.

use std::time::Duration;

use anyhow::{Context, ensure};
use entities::remote;
use entities::secret::Keyring;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{ClientBuilder, Identity, Proxy};
use serde_json::Value;
use url::Url;

use super::request::Connections;
use super::{certificates, tls};

/// Timeout of connecting and of each read where the remote does not say (D07).
const TIMEOUT: Duration = Duration::from_secs(600);

/// The longest timeout; what is more has the same effect.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Header lines of a response that are read.
const HEADER_LINES: usize = 1024;

/// Schemes of proxies. With any other the library would ask the upstream itself.
pub const PROXY_SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// User name and password of HTTP Basic authentication.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// The remote's credentials in the clear, if it has any.
pub(super) fn credentials(keyring: &Keyring, remote: &remote::Model) -> anyhow::Result<Option<Credentials>> {
    pair(keyring, remote.username.as_deref(), remote.password.as_deref())
}

pub(super) fn build(
    keyring: &Keyring,
    remote: &remote::Model,
    connections: Connections,
) -> anyhow::Result<reqwest::Client> {
    let connect = remote.sock_connect_timeout.or(remote.connect_timeout);
    let mut builder = ClientBuilder::new()
        .connect_timeout(seconds(connect).unwrap_or(TIMEOUT))
        .read_timeout(seconds(remote.sock_read_timeout).unwrap_or(TIMEOUT))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .user_agent(user_agent(remote)?)
        .http1_max_headers(HEADER_LINES)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .no_proxy();
    if connections == Connections::New {
        builder = builder.pool_max_idle_per_host(0);
    }
    let key = remote.client_key.as_deref().map(|token| keyring.decrypt(token)).transpose()?;
    let key = key.unwrap_or_default();
    match (&remote.ca_cert, remote.tls_validation) {
        (Some(pem), true) => {
            let trusted = certificates::parse(pem).context("ca_cert cannot be used")?;
            let own = remote.client_cert.as_deref().map(|certificate| (certificate, key.as_str()));
            builder = builder.tls_backend_preconfigured(tls::config(trusted, own)?);
        }
        (_, validation) => {
            builder = builder.tls_danger_accept_invalid_certs(!validation);
            if let Some(certificate) = &remote.client_cert {
                let pem = format!("{certificate}\n{key}");
                let identity = Identity::from_pem(pem.as_bytes())
                    .context("client_cert and client_key cannot be used")?;
                builder = builder.identity(identity);
            }
        }
    }
    if let Some(url) = &remote.proxy_url {
        let scheme = Url::parse(url).context("proxy_url is not a URL")?.scheme().to_owned();
        ensure!(PROXY_SCHEMES.contains(&scheme.as_str()), "proxy_url has the scheme {scheme}, of no proxy");
        let mut proxy = Proxy::all(url).context("proxy_url is not a URL")?;
        let login = pair(keyring, remote.proxy_username.as_deref(), remote.proxy_password.as_deref())?;
        if let Some(login) = login {
            proxy = proxy.basic_auth(&login.username, &login.password);
        }
        builder = builder.proxy(proxy);
    }
    builder.build().context("the HTTP client of the remote cannot be made")
}

fn pair(
    keyring: &Keyring,
    username: Option<&str>,
    password: Option<&str>,
) -> anyhow::Result<Option<Credentials>> {
    let (Some(username), Some(password)) = (username, password) else {
        return Ok(None);
    };
    Ok(Some(Credentials { username: keyring.decrypt(username)?, password: keyring.decrypt(password)? }))
}

/// A time-out of a remote; none if it sets none.
pub(super) fn seconds(value: Option<f64>) -> Option<Duration> {
    let value = value.filter(|value| *value > 0.0)?;
    Some(Duration::try_from_secs_f64(value).map_or(LONGEST, |duration| duration.min(LONGEST)))
}

/// Our own name; a `User-Agent` among the remote's headers is appended to it (D08).
fn user_agent(remote: &remote::Model) -> anyhow::Result<HeaderValue> {
    let mut agent = format!("pulpcore/{}", entities::API_LEVEL);
    for (name, value) in pairs(remote) {
        if name.eq_ignore_ascii_case(USER_AGENT.as_str()) {
            agent = format!("{agent}, {}", text(name, value)?);
        }
    }
    HeaderValue::from_str(&agent).context("the User-Agent cannot be sent")
}

/// The remote's other headers.
pub(super) fn headers(remote: &remote::Model) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(remote).filter(|(name, _)| !name.eq_ignore_ascii_case(USER_AGENT.as_str())) {
        let value = HeaderValue::from_str(text(name, value)?)
            .with_context(|| format!("the header {name} cannot be sent"))?;
        let name: HeaderName = name.parse().with_context(|| format!("{name:?} is not a header name"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The headers of a remote, which are a list of maps.
fn pairs(remote: &remote::Model) -> impl Iterator<Item = (&String, &Value)> {
    let maps = remote.headers.as_ref().and_then(|headers| headers.as_array()).map_or(&[][..], Vec::as_slice);
    maps.iter().filter_map(|map| map.as_object()).flatten()
}

fn text<'a>(name: &str, value: &'a Value) -> anyhow::Result<&'a str> {
    value.as_str().with_context(|| format!("the header {name} of the remote is not text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_too_large_for_a_timeout() {
        assert_eq!(seconds(Some(1.5)), Some(Duration::from_millis(1500)));
        assert_eq!((seconds(None), seconds(Some(0.0)), seconds(Some(f64::NAN))), (None, None, None));
        for value in [1e9, 1e300, f64::INFINITY, f64::MAX] {
            assert_eq!(seconds(Some(value)), Some(LONGEST), "{value}");
        }
    }
}
