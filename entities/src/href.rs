//! Names of objects in the REST API: hrefs and PRNs, built and parsed (R30).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kind::{self, Kind};

/// Where the REST API starts.
pub const API_ROOT: &str = "/pulp/api/v3/";

/// The path of an object, without a host: `/pulp/api/v3/tasks/<uuid>/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Href(String);

/// A Pulp resource name: `prn:<app>.<model>:<id>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prn(String);

impl Href {
    pub(crate) fn new(path: String) -> Href {
        Href(path)
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Prn {
    pub(crate) fn new(name: String) -> Prn {
        Prn(name)
    }

    /// The name of a lock that stands for no single object.
    pub fn literal(name: impl Into<String>) -> Prn {
        Prn(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Href {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Display for Prn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Href> for String {
    fn from(href: Href) -> String {
        href.0
    }
}

impl From<Prn> for String {
    fn from(prn: Prn) -> String {
        prn.0
    }
}

/// What an href or a PRN of a request points to. That the object exists is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// An object with an id of its own.
    Object {
        /// Its kind.
        kind: &'static Kind,
        /// Its id.
        id: Uuid,
    },
    /// A repository version by its number.
    Version {
        /// The kind of the repository.
        kind: &'static Kind,
        /// The repository.
        repository: Uuid,
        /// The number.
        number: i32,
    },
}

impl Reference {
    /// Reads an href (with or without scheme and host) or a PRN; `None` if it is neither of a known kind.
    pub fn parse(text: &str) -> Option<Reference> {
        match text.strip_prefix("prn:") {
            Some(prn) => Reference::parse_prn(prn),
            None => Reference::parse_href(text),
        }
    }

    fn parse_prn(prn: &str) -> Option<Reference> {
        let (model, id) = prn.split_once(':')?;
        let kind = kind::all().find(|kind| kind.model == model)?;
        Some(Reference::Object { kind, id: id.parse().ok()? })
    }

    fn parse_href(href: &str) -> Option<Reference> {
        let path = match href.split_once("://") {
            Some((_, rest)) => &rest[rest.find('/')?..],
            None => href,
        };
        let segments: Vec<&str> = path.strip_prefix(API_ROOT)?.trim_end_matches('/').split('/').collect();
        if let [path @ .., repository, "versions", number] = segments.as_slice() {
            let (kind, repository) = (kind_at(path)?, repository.parse().ok()?);
            return Some(Reference::Version { kind, repository, number: number.parse().ok()? });
        }
        let (id, path) = segments.split_last()?;
        Some(Reference::Object { kind: kind_at(path)?, id: id.parse().ok()? })
    }
}

fn kind_at(segments: &[&str]) -> Option<&'static Kind> {
    let path = segments.join("/");
    kind::all().find(|kind| kind.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_parsed_again() {
        let id = Uuid::now_v7();
        let expected = Some(Reference::Object { kind: &kind::TASK, id });
        assert_eq!(Reference::parse(kind::TASK.href(id).as_str()), expected);
        assert_eq!(Reference::parse(kind::TASK.prn(id).as_str()), expected);
        assert_eq!(Reference::parse(&format!("https://host:1{}", kind::TASK.href(id))), expected);
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in
            ["", "/", "prn:", "prn:core.task:7", "/pulp/api/v3/tasks/x/", "/pulp/api/v3/tasks/", "http://"]
        {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }
}
