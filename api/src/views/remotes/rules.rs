//! Rules of remotes that concern several fields, or the settings (D03).

use std::path::PathBuf;

use entities::storage::will_be_inside;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tasking::download::PROXY_SCHEMES;
use url::Url;

use crate::resource::Change;
use crate::{Error, Result};

pub(super) fn check<'a>(change: &'a Change<'a>) -> BoxFuture<'a, Result<()>> {
    let result = check_now(change);
    async move { result }.boxed()
}

fn check_now(change: &Change<'_>) -> Result<()> {
    if let Some(url) = change.changes.get("url").and_then(|url| url.as_str()) {
        check_url("url", url, &change.reader.settings.allowed_import_paths)?;
    }
    if let Some(url) = change.changes.get("proxy_url").and_then(|url| url.as_str()) {
        check_proxy(url)?;
    }
    let (user, password) = (change.has("proxy_username"), change.has("proxy_password"));
    if user != password {
        return Err(Error::object("proxy_username and proxy_password may only be specified together."));
    }
    if user && !change.has("proxy_url") {
        return Err(Error::object("proxy credentials cannot be specified without proxy_url."));
    }
    Ok(())
}

/// Checks an address that content is to be fetched from: an HTTP URL without credentials, or a file below one
/// of the allowed directories.
pub fn check_url(field: &'static str, text: &str, allowed: &[PathBuf]) -> Result<()> {
    let refuse = |message: &str| Err(Error::field(field, message));
    let Ok(url) = Url::parse(text) else { return refuse("Enter a valid URL.") };
    match url.scheme() {
        "http" | "https" => {
            if !url.username().is_empty() || url.password().is_some() {
                return refuse(
                    "The remote url contains username or password authentication information. Please use the \
                     username or password fields instead.",
                );
            }
            match url.host_str() {
                Some(host) if !host.is_empty() => Ok(()),
                _ => refuse("Enter a valid URL."),
            }
        }
        "file" => match url.to_file_path() {
            Ok(path) if will_be_inside(&path, allowed) => Ok(()),
            Ok(path) => {
                let path = path.display();
                refuse(&format!("Path '{path}' is not an allowed import path (ALLOWED_IMPORT_PATHS)."))
            }
            Err(()) => refuse("The path of a file URL has to be absolute."),
        },
        _ => refuse("The url has to begin with http://, https:// or file://."),
    }
}

fn check_proxy(text: &str) -> Result<()> {
    match Url::parse(text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err(Error::field("proxy_url", "proxy_url must not contain credentials."))
        }
        Ok(url) if url.has_host() && PROXY_SCHEMES.contains(&url.scheme()) => Ok(()),
        Ok(url) if url.has_host() => {
            let schemes = PROXY_SCHEMES.map(|scheme| format!("{scheme}://")).join(", ");
            Err(Error::field("proxy_url", format!("The proxy_url has to begin with one of {schemes}.")))
        }
        _ => Err(Error::field("proxy_url", "Enter a valid URL.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_refused() {
        assert!(check_url("url", "https://example.org/PULP_MANIFEST", &[]).is_ok());
        let directory = tempfile::tempdir().unwrap();
        let allowed = [directory.path().canonicalize().unwrap()];
        let inside = format!("file://{}/", directory.path().display());
        assert!(check_url("url", &inside, &allowed).is_ok());
        assert!(check_url("url", &inside, &[]).is_err());
        for url in
            ["", "x", "ftp://a/b", "http://u:p@h/", "http://", "file://host/tmp", "file:///etc/../etc/passwd"]
        {
            assert!(check_url("url", url, &allowed).is_err(), "{url}");
        }
        let missing = format!("file://{}/not/there/yet", directory.path().display());
        assert!(check_url("url", &missing, &allowed).is_ok(), "only the path counts");
        assert!(check_url("url", &format!("FILE://{}/a", directory.path().display()), &allowed).is_ok());
        std::os::unix::fs::symlink("/", directory.path().join("link")).unwrap();
        let outside = format!("file://{}/link/not-there", directory.path().display());
        assert!(check_url("url", &outside, &allowed).is_err(), "links are followed");
        for proxy in ["http://h:1", "HTTPS://h", "socks5://h:1", "socks5h://h:1", "socks4://h"] {
            assert!(check_proxy(proxy).is_ok(), "{proxy}");
        }
        for proxy in
            ["http://u@h:1", "ftp://127.0.0.1:1", "foo://127.0.0.1:1", "socks://h", "file:///h", "h:1"]
        {
            assert!(check_proxy(proxy).is_err(), "{proxy}");
        }
    }
}
