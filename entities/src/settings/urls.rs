//! Connection URLs from the parts that Pulp's settings name, and their passwords hidden again.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Masked;
use super::values::Values;

const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is shown in place of a secret.
pub(super) const MASK: &str = "********";

/// The URL of `DATABASES["default"]`. A host that is a path is the directory of a unix socket.
pub(super) fn database(values: &Values) -> Masked {
    let of = |name: &str| values.text(&format!("DATABASES.default.{name}"));
    let encoded = |name: &str| encode(&of(name));
    let mut login = encoded("USER");
    if !of("PASSWORD").is_empty() {
        login = format!("{login}:{}", encoded("PASSWORD"));
    }
    let host = match of("HOST") {
        empty if empty.is_empty() => "/var/run/postgresql".to_owned(),
        host => host,
    };
    let (authority, socket) = match host.starts_with('/') {
        true => ("localhost".to_owned(), Some(host)),
        false if host.contains(':') && !host.starts_with('[') => (format!("[{host}]"), None),
        false => (host, None),
    };
    let mut url = format!("postgres://{login}@{authority}:{}/{}", of("PORT"), encoded("NAME"));
    let options = ["sslmode", "sslrootcert", "sslcert", "sslkey", "options"]
        .map(|name| (name, of(&format!("OPTIONS.{name}"))));
    let query = socket.map(|socket| ("host", socket)).into_iter().chain(options);
    for (index, (name, value)) in query.filter(|(_, value)| !value.is_empty()).enumerate() {
        let mark = if index == 0 { '?' } else { '&' };
        url.push_str(&format!("{mark}{name}={}", encode(&value)));
    }
    Masked(url)
}

/// The host in the URL of a Redis that sentinels know.
const SENTINELS: &str = "sentinels";

/// `REDIS_URL`, or the URL of `REDIS_HOST` and the other parts; `None` if neither is given. With sentinels
/// the address is theirs to say; user, password and database may be given beside them, too.
///
/// # Errors
/// If both are given, or the URL is of another kind.
pub(super) fn redis(values: &Values, sentinels: bool) -> Result<Option<Masked>, String> {
    let url = values.text("REDIS_URL");
    let host = if sentinels { SENTINELS.to_owned() } else { values.text("REDIS_HOST") };
    let of = |name: &str| match values.text(&format!("REDIS_SENTINEL.{name}")) {
        own if sentinels && !own.is_empty() => own,
        _ => values.text(&format!("REDIS_{name}")),
    };
    if !url.is_empty() {
        if !host.is_empty() {
            return Err("REDIS_URL and REDIS_HOST are both set (keep one)".to_owned());
        }
        let schemes = ["redis://", "rediss://", "redis+unix://", "unix://", "valkey://", "valkeys://"];
        if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(format!("REDIS_URL must start with one of {}", schemes.join(", ")));
        }
        return Ok(Some(Masked(url)));
    }
    if host.is_empty() {
        return Ok(None);
    }
    let (user, password, db) = (encode(&of("USERNAME")), encode(&of("PASSWORD")), of("DB"));
    if host.starts_with('/') {
        let mut url = format!("redis+unix://{host}?db={db}");
        for (name, value) in [("user", user), ("pass", password)] {
            if !value.is_empty() {
                url.push_str(&format!("&{name}={value}"));
            }
        }
        return Ok(Some(Masked(url)));
    }
    let scheme = if values.text("REDIS_SSL") == "true" { "rediss" } else { "redis" };
    let login = if password.is_empty() { String::new() } else { format!("{user}:{password}@") };
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    Ok(Some(Masked(format!("{scheme}://{login}{host}:{}/{db}", values.text("REDIS_PORT")))))
}

/// A text with the passwords of its URLs hidden: in the authority, and in `pass` and `password` of the query.
pub fn hide_passwords(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let hidden = match rest.rsplit_once('@') {
        Some((login, host)) => match login.split_once(':') {
            Some((user, _)) => format!("{user}:{MASK}@{host}"),
            None => rest.to_owned(),
        },
        None => rest.to_owned(),
    };
    let query = query.map(|query| {
        let hide = |pair: &str| match pair.split_once('=') {
            Some((name @ ("pass" | "password"), _)) => format!("{name}={MASK}"),
            _ => pair.to_owned(),
        };
        let pairs: Vec<String> = query.split('&').map(hide).collect();
        format!("?{}", pairs.join("&"))
    });
    format!("{scheme}://{hidden}{}", query.unwrap_or_default())
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}
