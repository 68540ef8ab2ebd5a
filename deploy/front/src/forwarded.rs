//! What proxies say of a request: `Forwarded` (RFC 7239), or `X-Forwarded-For`, `-Proto` and `-Host`.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

use crate::request_info::{Scheme, host};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What the proxy that is nearest to the client says; each part is none if it says nothing that can be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Forwarded {
    pub(crate) client: Option<IpAddr>,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) host: Option<String>,
}

impl Forwarded {
    /// Takes the first element of each list, which is the first proxy's. Where the standard header is, the
    /// others are not looked at.
    pub(crate) fn read(headers: &HeaderMap) -> Forwarded {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        if headers.contains_key(header::FORWARDED) {
            return text(header::FORWARDED).map(standard).unwrap_or_default();
        }
        let first = |name| text(name).and_then(|list| list.split(',').next()).map(str::trim);
        Forwarded {
            client: first(FOR).and_then(address),
            scheme: first(PROTO).and_then(scheme),
            host: first(HOST).and_then(host),
        }
    }

    /// Removes the headers.
    pub(crate) fn remove(headers: &mut HeaderMap) {
        for name in [header::FORWARDED, FOR, PROTO, HOST] {
            headers.remove(name);
        }
    }
}

/// The first element of a `Forwarded` (RFC 7239, section 4).
fn standard(list: &str) -> Forwarded {
    let mut forwarded = Forwarded::default();
    for pair in split(split(list, ',').next().unwrap_or_default(), ';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let value = unquoted(value.trim());
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => forwarded.client = address(&value),
            "proto" => forwarded.scheme = scheme(&value),
            "host" => forwarded.host = host(&value),
            _ => {}
        }
    }
    forwarded
}

/// The parts between separators that are not within quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |letter| {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return letter == separator && !quoted,
        }
        false
    })
}

/// The text of a quoted string; any other as it is.
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut escaped = false;
    let kept = inner.chars().filter(|letter| {
        escaped = *letter == '\\' && !escaped;
        !escaped
    });
    kept.collect()
}

/// An address with or without a port; IPv6 with or without brackets. Names such as `unknown` are none.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

fn scheme(text: &str) -> Option<Scheme> {
    match text.to_ascii_lowercase().as_str() {
        "http" => Some(Scheme::Http),
        "https" => Some(Scheme::Https),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&'static str, &str)]) -> (String, String, String) {
        let lines = lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let Forwarded { client, scheme, host } = Forwarded::read(&lines.collect());
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        (
            text(client.map(|client| client.to_string())),
            text(scheme.map(|scheme| scheme.to_string())),
            text(host),
        )
    }

    fn expected(line: &str) -> (String, String, String) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        (words[0].clone(), words[1].clone(), words[2].clone())
    }

    #[test]
    fn the_first_element_of_the_standard_header_counts() {
        let cases = [
            ("for=192.0.2.60;proto=https;host=pulp.example", "192.0.2.60 https pulp.example"),
            (
                "For=\"[2001:db8::1]:4711\"; Host=\"a.example:8443\", for=10.0.0.1",
                "2001:db8::1 - a.example:8443",
            ),
            ("for=192.0.2.1:80, for=192.0.2.2", "192.0.2.1 - -"),
            ("for=\"_a,b;c\";PROTO=HTTP", "- http -"),
            ("for=\"192.0.2.\\1\"", "192.0.2.1 - -"),
            ("for=unknown;host=\"a b\";proto=ftp", "- - -"),
            ("host=user@a.example", "- - -"),
            ("host=", "- - -"),
            (";;=,", "- - -"),
            ("for=\"", "- - -"),
        ];
        for (value, parts) in cases {
            assert_eq!(read(&[("forwarded", value)]), expected(parts), "{value}");
        }
        let both = [("forwarded", "for=192.0.2.60"), ("x-forwarded-proto", "https")];
        assert_eq!(read(&both), expected("192.0.2.60 - -"));
    }

    #[test]
    fn the_first_value_of_the_older_headers_counts() {
        let lists = [
            ("x-forwarded-for", " 2001:db8::1 , 10.0.0.1"),
            ("x-forwarded-proto", "https,http"),
            ("x-forwarded-host", "pulp.example:8443, inner"),
        ];
        assert_eq!(read(&lists), expected("2001:db8::1 https pulp.example:8443"));
        let wrong = [("x-forwarded-for", "me"), ("x-forwarded-proto", ""), ("x-forwarded-host", "a/b")];
        assert_eq!(read(&wrong), expected("- - -"));
    }
}
