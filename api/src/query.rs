//! The query of a request, as pairs in order.

use crate::{Error, Result};

/// The parameter that asks for a form of the response.
const FORMAT: &str = "format";

/// The parameters of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what follows the `?`.
    pub fn parse(text: &str) -> Query {
        Query(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The value of a parameter; the last, if it is given several times, as Django has it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter, each of which may be a list with commas.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(key, _)| key == name)
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// Whether the form of the response that is asked for, if any, is one there is.
    pub(crate) fn has_known_format(&self) -> bool {
        self.get(FORMAT).is_none_or(|format| format == "json")
    }

    /// The names of all parameters, each once, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in &self.0 {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// The same query with other values for some parameters; those without a value are left out.
    pub fn with(&self, changes: &[(&str, Option<String>)]) -> String {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.0 {
            if !changes.iter().any(|(changed, _)| changed == name) {
                text.append_pair(name, value);
            }
        }
        for (name, value) in changes {
            if let Some(value) = value {
                text.append_pair(name, value);
            }
        }
        text.finish()
    }

    /// Refuses parameters that are not in `known` (R13); `format` is one of every operation.
    pub fn check(&self, known: impl Fn(&str) -> bool) -> Result<()> {
        match self.names().into_iter().find(|name| *name != FORMAT && !known(name)) {
            Some(name) => Err(Error::field("errors", format!("Invalid Filter: '{name}'"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_repetitions() {
        let query = Query::parse("a=1&fields=x,y&fields=z&a=2&b=%2C+c");
        assert_eq!(query.get("a"), Some("2"));
        assert_eq!(query.list("fields"), ["x", "y", "z"]);
        assert_eq!(query.names(), ["a", "fields", "b"]);
        assert_eq!(
            query.with(&[("a", Some("3".into())), ("fields", None), ("offset", Some("4".into()))]),
            "b=%2C+c&a=3&offset=4"
        );
        assert!(query.check(|name| name != "b").is_err());
        assert!(Query::parse("format=json&a").check(|name| name == "a").is_ok());
        for (text, known) in [("", true), ("format=json", true), ("format=yaml", false), ("format=", false)] {
            assert_eq!(Query::parse(text).has_known_format(), known, "{text}");
        }
    }
}
