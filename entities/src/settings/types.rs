//! The types of settings: how a value of a file or the text of an environment variable becomes a checked
//! value.

use serde_json::{Map, Value};

use super::table::Setting;
use crate::checksum::Algorithm;

/// What values a setting takes.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// A TCP port; digits in quotes are one too, as Django writes it.
    Port,
    /// Seconds, with or without a fraction.
    Seconds {
        /// The fewest.
        min: f64,
    },
    /// A text.
    Text,
    /// One of a few texts.
    Choice(&'static [&'static str]),
    /// A path of the file system, absolute.
    Path,
    /// Several of them.
    Paths,
    /// Hosts with ports, as `host:port` or `[host, port]`.
    Hosts,
    /// Scheme and host, as in `https://pulp.example.com`.
    Origin,
    /// The path of a URL; starts and ends with a slash.
    UrlPath,
    /// A log level, overall or per module.
    LogLevel,
    /// Names of digest algorithms, sha256 among them.
    Checksums,
    /// Nested settings.
    Table(&'static [Setting]),
}

impl Type {
    /// What a value must be, for people: continues "must be …".
    pub fn wanted(self) -> String {
        match self {
            Type::Bool => "true or false".to_owned(),
            Type::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Type::Port => "a port, from 1 to 65535".to_owned(),
            Type::Seconds { min } => format!("a number of seconds, {min} or more"),
            Type::Text => "text (in a file: put it in quotes)".to_owned(),
            Type::Choice(choices) => format!("one of {}", choices.join(", ")),
            Type::Path => "an absolute path".to_owned(),
            Type::Paths => r#"a list of absolute paths, as in ["/srv/one", "/srv/two"]"#.to_owned(),
            Type::Hosts => r#"a list of hosts with ports, as in ["one:26379", "two:26379"]"#.to_owned(),
            Type::Origin => "a scheme and a host, as in https://pulp.example.com".to_owned(),
            Type::UrlPath => "a path that starts and ends with a slash, as in /pulp/content/".to_owned(),
            Type::LogLevel => "error, warn, info, debug, trace or off, overall or per module as in \
                               info,tasking=debug (WARNING and CRITICAL stand for warn and error)"
                .to_owned(),
            Type::Checksums => {
                let names: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
                format!("a list with sha256 and others of {}", names.join(", "))
            }
            Type::Table(_) => r#"a table, as in {"key": "value"}"#.to_owned(),
        }
    }

    /// The value of a file's value, or `None` if it is not of this type.
    pub fn check(self, value: &Value) -> Option<Value> {
        match self {
            Type::Bool => value.as_bool().map(Value::from),
            Type::Integer { min, max } => {
                value.as_i64().filter(|number| (min..=max).contains(number)).map(Value::from)
            }
            Type::Port => match value {
                Value::String(digits) => digits.parse().ok(),
                other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
            }
            .filter(|port| *port != 0)
            .map(Value::from),
            Type::Seconds { min } => {
                value.as_f64().filter(|seconds| *seconds >= min && *seconds < 1e9).map(|_| value.clone())
            }
            Type::Text => value.as_str().map(Value::from),
            Type::Choice(choices) => value.as_str().filter(|text| choices.contains(text)).map(Value::from),
            Type::Path => value.as_str().filter(|path| path.starts_with('/')).map(Value::from),
            Type::Paths => all(value, |path| path.starts_with('/')),
            Type::Hosts => {
                value.as_array()?.iter().map(host).collect::<Option<Vec<String>>>().map(Value::from)
            }
            Type::Origin => value.as_str().and_then(origin).map(Value::from),
            Type::UrlPath => {
                value.as_str().filter(|path| path.starts_with('/') && path.ends_with('/')).map(Value::from)
            }
            Type::LogLevel => log_level(value.as_str()?).map(Value::from),
            Type::Checksums => {
                let known = |name: &str| Algorithm::ALL.iter().any(|algorithm| algorithm.as_str() == name);
                all(value, known)
                    .filter(|list| list.as_array().is_some_and(|list| list.contains(&"sha256".into())))
            }
            Type::Table(_) => value.as_object().cloned().map(Value::Object),
        }
    }

    /// The file's value that the text of an environment variable stands for; its type is yet to be checked.
    /// Dynaconf's casts (`@json`, `@int`, …) are understood.
    pub fn parse(self, text: &str) -> Value {
        let (cast, rest) = match text.strip_prefix('@').map(|text| text.split_once(' ').unwrap_or((text, "")))
        {
            Some((cast, rest)) => (cast, rest.trim()),
            None => ("", text),
        };
        match (cast, self) {
            ("none" | "null" | "empty", _) => Value::Null,
            ("json", _) => serde_json::from_str(rest).unwrap_or_else(|_| text.into()),
            ("" | "str" | "int" | "float" | "bool" | "merge", _) => self.parse_plain(rest),
            _ => self.parse_plain(text),
        }
    }

    fn parse_plain(self, text: &str) -> Value {
        let parsed = match self {
            Type::Bool => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(true.into()),
                "false" | "no" | "off" | "0" => Some(false.into()),
                _ => None,
            },
            Type::Integer { .. } | Type::Port => text.parse::<i64>().ok().map(Value::from),
            Type::Seconds { .. } => {
                text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<f64>().map(Value::from)).ok()
            }
            Type::Paths | Type::Hosts | Type::Checksums | Type::Table(_) => structure(text),
            _ => Some(unquoted(text).into()),
        };
        parsed.unwrap_or_else(|| text.into())
    }
}

/// A list or table in JSON, or as TOML writes it on one line.
fn structure(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return Some(value);
    }
    let mut table: Map<String, Value> = toml::from_str(&format!("value = {text}")).ok()?;
    table.remove("value")
}

fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)) {
            return inner;
        }
    }
    text
}

fn all(value: &Value, fits: impl Fn(&str) -> bool) -> Option<Value> {
    let list = value.as_array()?;
    list.iter().all(|item| item.as_str().is_some_and(&fits)).then(|| value.clone())
}

/// `host:port` of itself, or of `[host, port]`.
fn host(value: &Value) -> Option<String> {
    let text = match value.as_array().map(Vec::as_slice) {
        Some([Value::String(host), port]) if host.contains(':') => {
            format!("[{host}]:{}", Type::Port.check(port)?)
        }
        Some([Value::String(host), port]) => format!("{host}:{}", Type::Port.check(port)?),
        _ => value.as_str()?.to_owned(),
    };
    host_and_port(&text).map(|_| text)
}

/// Host and port of `host:port`.
pub(super) fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), port.parse().ok().filter(|port| *port != 0)?)).filter(|_| !host.is_empty())
}

/// Levels in the words of `tracing`, in lower case. A module without a level would stand for itself alone,
/// and silence all others.
fn log_level(text: &str) -> Option<String> {
    let directives = text.split(',').map(|directive| match directive.trim().rsplit_once('=') {
        None => level(directive.trim()).map(str::to_owned),
        Some((module, word)) => {
            let is_name = |c: char| c.is_ascii_alphanumeric() || "_-:[]{}".contains(c);
            let is_module = !module.is_empty() && module.chars().all(is_name);
            level(word).filter(|_| is_module).map(|level| format!("{module}={level}"))
        }
    });
    directives.collect::<Option<Vec<String>>>().map(|directives| directives.join(","))
}

fn level(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_str() {
        "error" | "critical" | "fatal" => Some("error"),
        "warn" | "warning" => Some("warn"),
        "info" => Some("info"),
        "debug" => Some("debug"),
        "trace" => Some("trace"),
        "off" => Some("off"),
        _ => None,
    }
}

fn origin(text: &str) -> Option<&str> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?.trim_end_matches('/');
    let bare = !host.is_empty() && !host.contains(['/', '?', '#', ' ']);
    bare.then(|| text.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_tracing_and_of_python() {
        for (text, level) in [
            ("info", "info"),
            ("WARNING", "warn"),
            ("Critical", "error"),
            ("DEBUG,tasking=WARNING, api::auth=trace", "debug,tasking=warn,api::auth=trace"),
            ("off", "off"),
        ] {
            assert_eq!(log_level(text).as_deref(), Some(level), "{text}");
        }
        for text in
            ["", "verbose", "info,", "tasking", "tasking=", "=info", "info,a b=debug", "30", "tasking=loud"]
        {
            assert_eq!(log_level(text), None, "{text}");
        }
    }
}
