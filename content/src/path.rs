//! Paths of requests: decoded once, then only ever compared.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Base paths longer than this (in bytes) are not looked for, so that a long path asks for few of them.
const LONGEST_BASE_PATH: usize = 1024;

/// What stays as it is in a link to one name.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'+');

/// The decoded path of a request. `None`: the name cannot exist, because it is no UTF-8 or holds a NUL.
pub(crate) fn decode(raw: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(raw).decode_utf8().ok().filter(|path| !path.contains('\0'))
}

/// Every base path that could serve a path (A05): the path itself and each part of it that ends before a
/// slash.
pub(crate) fn base_paths(path: &str) -> Vec<String> {
    path.match_indices('/')
        .map(|(slash, _)| slash)
        .chain([path.len()])
        .filter(|end| (1..=LONGEST_BASE_PATH).contains(end))
        .map(|end| path[..end].to_owned())
        .collect()
}

/// One name, ready for a link.
pub(crate) fn encode(name: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(name, NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(decode("/a%20b/%2e%2e/c").as_deref(), Some("/a b/../c"));
        assert_eq!(decode("/a%252fb").as_deref(), Some("/a%2fb"));
        assert_eq!(decode("/").as_deref(), Some("/"));
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        assert_eq!(decode("/a%00b"), None);
        assert_eq!(decode("/%ff"), None);
    }

    #[test]
    fn base_paths_are_the_prefixes_at_slashes() {
        assert_eq!(base_paths("a/b/c.txt"), ["a", "a/b", "a/b/c.txt"]);
        assert_eq!(base_paths("a/"), ["a", "a/"]);
        assert_eq!(base_paths(""), Vec::<String>::new());
        assert_eq!(base_paths("/x"), ["/x"]);
        assert_eq!(base_paths(&"a/".repeat(4000)).len(), 512);
    }

    #[test]
    fn links_lead_back_to_the_name() {
        for name in ["a b", "ü", "50%", "<&>\"'", "a:b", "?q#f", ".."] {
            let link = encode(name).to_string();
            assert_eq!(decode(&link).as_deref(), Some(name));
            assert!(link.is_ascii());
        }
    }
}
