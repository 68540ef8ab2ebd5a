//! Names of objects in the REST API: hrefs and PRNs, built and parsed (R30).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kind::{Key, Kind, Kinds};

/// The path of an object as a client sees it, without a host: `/pulp/api/v3/tasks/<uuid>/`. Made by [`Links`]
/// only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Href(String);

/// A Pulp resource name: `prn:<app>.<model>:<id>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prn(String);

impl Href {
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

/// What an href or a PRN of a request points to. That the object exists is not checked: see [`crate::Scope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// An object with a UUID.
    Object {
        /// Its kind.
        kind: &'static Kind,
        /// Its id.
        id: Uuid,
    },
    /// An object with an integer.
    Numbered {
        /// Its kind.
        kind: &'static Kind,
        /// Its id.
        id: i32,
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

/// The names of objects under one prefix: where the REST API is for those who asked, and the kinds it knows.
#[derive(Clone, Debug)]
pub struct Links {
    root: Arc<str>,
    kinds: Arc<Kinds>,
}

impl Links {
    /// Names below `api_root` (the setting `API_ROOT`, or what a proxy puts in its place); such as `/pulp/`.
    pub fn new(kinds: Arc<Kinds>, api_root: &str) -> Links {
        let root = match api_root.trim_matches('/') {
            "" => "/api/v3/".to_owned(),
            root => format!("/{root}/api/v3/"),
        };
        Links { root: root.into(), kinds }
    }

    /// The same kinds, named below another `api_root`.
    #[must_use]
    pub fn under(&self, api_root: &str) -> Links {
        Links::new(self.kinds.clone(), api_root)
    }

    /// The path of the REST API, such as `/pulp/api/v3/`.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The kinds that have names.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// The href of one object.
    pub fn href(&self, kind: &Kind, id: impl std::fmt::Display) -> Href {
        Href(format!("{}{}/{id}/", self.root, kind.path))
    }

    /// The href of a list or of something else at a path below the root.
    pub fn path(&self, path: &str) -> Href {
        Href(format!("{}{path}", self.root))
    }

    /// The href of the row of a table that several kinds share; `None` if the plugin of its type is not
    /// installed.
    pub fn typed(&self, table: &str, pulp_type: &str, id: Uuid) -> Option<Href> {
        Some(self.href(self.kinds.of(table, pulp_type)?, id))
    }

    /// The href of the list of versions of a repository of this type.
    pub fn versions(&self, pulp_type: &str, repository: Uuid) -> Option<Href> {
        let repository = self.typed("repository", pulp_type, repository)?;
        Some(Href(format!("{repository}versions/")))
    }

    /// The href of version `number` of a repository of this type.
    pub fn version(&self, pulp_type: &str, repository: Uuid, number: i32) -> Option<Href> {
        let versions = self.versions(pulp_type, repository)?;
        Some(Href(format!("{versions}{number}/")))
    }

    /// Reads an href (with or without scheme and host) or a PRN; `None` if it is neither of a known kind.
    pub fn parse(&self, text: &str) -> Option<Reference> {
        match self.kinds.of_prn(text) {
            Some((kind, id)) => reference(kind, id),
            None => self.parse_href(text),
        }
    }

    fn parse_href(&self, href: &str) -> Option<Reference> {
        let path = match href.split_once("://") {
            Some((_, rest)) => &rest[rest.find('/')?..],
            None => href,
        };
        let path = path.strip_prefix(&*self.root)?.trim_end_matches('/');
        if let Some((repository, number)) = path.rsplit_once("/versions/") {
            let (path, repository) = repository.rsplit_once('/')?;
            let kind = self.kinds.at(path).filter(|kind| kind.table == "repository")?;
            let repository = repository.parse().ok()?;
            return Some(Reference::Version { kind, repository, number: number.parse().ok()? });
        }
        let (path, id) = path.rsplit_once('/')?;
        reference(self.kinds.at(path)?, id)
    }
}

fn reference(kind: &'static Kind, id: &str) -> Option<Reference> {
    match kind.key {
        Key::Uuid => Some(Reference::Object { kind, id: id.parse().ok()? }),
        Key::Integer => Some(Reference::Numbered { kind, id: id.parse().ok()? }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind;

    static FILES: Kind =
        Kind::typed("file.FileRepository", "repository", "file.file", "repositories/file/file");

    fn links(root: &str) -> Links {
        Links::new(Arc::new(Kinds::new([&FILES])), root)
    }

    #[test]
    fn what_is_built_is_parsed_again_under_any_root() {
        for root in ["/pulp/", "/repo/pulp/", "/"] {
            let (links, id) = (links(root), Uuid::now_v7());
            let expected = Some(Reference::Object { kind: &kind::TASK, id });
            let href = links.href(&kind::TASK, id);
            assert_eq!(links.parse(href.as_str()), expected);
            assert_eq!(links.parse(kind::TASK.prn(id).as_str()), expected);
            assert_eq!(links.parse(&format!("https://host:1{href}")), expected);
            let version = links.version("file.file", id, 3).unwrap();
            let expected = Some(Reference::Version { kind: &FILES, repository: id, number: 3 });
            assert_eq!(links.parse(version.as_str()), expected);
            let user = links.href(&kind::USER, 7);
            assert_eq!(links.parse(user.as_str()), Some(Reference::Numbered { kind: &kind::USER, id: 7 }));
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let links = links("/pulp/");
        let id = Uuid::now_v7();
        for other in ["tasks", "artifacts"] {
            assert_eq!(links.parse(&format!("/pulp/api/v3/{other}/{id}/versions/1/")), None, "{other}");
        }
        for text in
            ["", "/", "prn:", "prn:core.task:7", "/pulp/api/v3/tasks/x/", "/pulp/api/v3/tasks/", "http://"]
        {
            assert_eq!(links.parse(text), None, "{text}");
        }
    }
}
