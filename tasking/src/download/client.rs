//! The HTTP client of one remote.

use std::time::Duration;

use anyhow::Context;
use entities::remote;
use entities::secret::Keyring;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Certificate, ClientBuilder, Identity, Proxy};

/// Timeout of connecting and of each read where the remote does not say (D07).
const TIMEOUT: Duration = Duration::from_secs(600);

/// Redirects that are followed.
const REDIRECTS: usize = 10;

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

pub(super) fn build(keyring: &Keyring, remote: &remote::Model) -> anyhow::Result<reqwest::Client> {
    let connect = remote.sock_connect_timeout.or(remote.connect_timeout);
    let mut builder = ClientBuilder::new()
        .connect_timeout(seconds(connect))
        .read_timeout(seconds(remote.sock_read_timeout))
        .redirect(reqwest::redirect::Policy::limited(REDIRECTS))
        .default_headers(headers(remote)?)
        .no_proxy();
    if !remote.tls_validation {
        builder = builder.danger_accept_invalid_certs(true);
    }
    if let Some(pem) = &remote.ca_cert {
        let certificates =
            Certificate::from_pem_bundle(pem.as_bytes()).context("ca_cert is not a PEM certificate")?;
        builder = builder.tls_certs_only(certificates);
    }
    if let Some(certificate) = &remote.client_cert {
        let key = remote.client_key.as_deref().map(|token| keyring.decrypt(token)).transpose()?;
        let pem = format!("{certificate}\n{}", key.unwrap_or_default());
        let identity =
            Identity::from_pem(pem.as_bytes()).context("client_cert and client_key cannot be used")?;
        builder = builder.identity(identity);
    }
    if let Some(url) = &remote.proxy_url {
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

fn seconds(value: Option<f64>) -> Duration {
    value.filter(|value| *value > 0.0).map_or(TIMEOUT, Duration::from_secs_f64)
}

/// The remote's headers, a list of maps; a `User-Agent` among them is appended to our own (D08).
fn headers(remote: &remote::Model) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut agent = format!("pulpcore/{}", entities::API_LEVEL);
    let maps = remote.headers.as_ref().and_then(|headers| headers.as_array()).map_or(&[][..], Vec::as_slice);
    for (name, value) in maps.iter().filter_map(|map| map.as_object()).flatten() {
        let value = value.as_str().with_context(|| format!("the header {name} of the remote is not text"))?;
        let name: HeaderName = name.parse().with_context(|| format!("{name:?} is not a header name"))?;
        if name == USER_AGENT {
            agent = format!("{agent}, {value}");
        } else {
            let value =
                HeaderValue::from_str(value).with_context(|| format!("the header {name} cannot be sent"))?;
            headers.append(name, value);
        }
    }
    headers.insert(USER_AGENT, HeaderValue::from_str(&agent).context("the User-Agent cannot be sent")?);
    Ok(headers)
}
