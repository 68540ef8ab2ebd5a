//! Rules of distributions: the base path, and one source at a time (C26, C27).

use entities::distribution;
use entities::row::RowId;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::resource::Change;
use crate::{Error, Result};

/// Columns of which one at most may have a value.
const SOURCES: [(&str, &str); 3] = [
    ("repository_id", "repository"),
    ("repository_version_id", "repository_version"),
    ("publication_id", "publication"),
];

pub(super) fn check<'a>(change: &'a Change<'a>) -> BoxFuture<'a, Result<()>> {
    async move {
        let sources: Vec<&str> =
            SOURCES.iter().filter(|(column, _)| change.has(column)).map(|(_, name)| *name).collect();
        if sources.len() > 1 {
            let names: Vec<String> = sources.iter().map(|name| format!("'{name}'")).collect();
            let names = names.join(", ");
            let message = format!("Only one of the attributes {names} may be used simultaneously.");
            return Err(Error::object(message));
        }
        if change.value("checkpoint").as_bool() == Some(true) && !change.has("repository_id") {
            // Checkpoints are publications of one repository (A30).
            return Err(Error::field("checkpoint", "A distribution of checkpoints needs a 'repository'."));
        }
        let Some(base_path) = change.changes.get("base_path").and_then(|path| path.as_str()) else {
            return Ok(());
        };
        check_path(base_path).map_err(|message| Error::field("base_path", message))?;
        let (db, domain) = (change.reader.db, change.reader.scope.domain());
        let own = match change.id {
            Some(RowId::Uuid(id)) => Some(id),
            _ => None,
        };
        match distribution::overlapping(db, domain, base_path, own).await? {
            Some(other) => {
                Err(Error::field("base_path", format!("Overlaps with existing distribution '{other}'")))
            }
            None => Ok(()),
        }
    }
    .boxed()
}

fn check_path(path: &str) -> Result<(), &'static str> {
    if path.contains(char::is_whitespace) {
        return Err("The base_path cannot contain spaces.");
    }
    if path.contains(['?', '#', '%', '\\']) || path.contains(char::is_control) {
        return Err("The base_path cannot contain '?', '#', '%', backslashes or control characters.");
    }
    if path.starts_with('/') || path.ends_with('/') {
        return Err("Relative path cannot begin or end with slashes.");
    }
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("The base_path cannot contain empty segments, '.' or '..'.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        assert!(check_path("a").is_ok() && check_path("a/b-c/d.e").is_ok());
        for path in ["/a", "a/", "a b", "a//b", "a/../b", ".", "a?x", "a#", "a%2fb", "a\\b", "a\u{7f}"] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }
}
