//! The HTML of a listing (A09).

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use html_escape::encode_text;

use crate::path;

/// Columns of a name before the date.
const WIDTH: usize = 60;

/// One line of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Without a slash.
    pub name: String,
    pub directory: bool,
    /// In bytes, if known.
    pub size: Option<i64>,
    pub modified: Option<DateTime<Utc>>,
}

/// What comes before the entries. `path` is the decoded path of the directory.
pub(crate) fn head(path: &str) -> String {
    let title = encode_text(path);
    format!(
        "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><title>Index of {title}</title></head>\n<body>\n\
         <h1>Index of {title}</h1>\n<hr><pre><a href=\"../\">../</a>\n"
    )
}

/// One line.
pub(crate) fn line(html: &mut String, entry: &Entry) {
    let slash = if entry.directory { "/" } else { "" };
    // The dot keeps a name with a colon from being read as a scheme.
    let _ = write!(
        html,
        "<a href=\"./{}{slash}\">{}{slash}</a>",
        path::encode(&entry.name),
        encode_text(&entry.name)
    );
    if entry.modified.is_some() || entry.size.is_some() {
        let padding = WIDTH.saturating_sub(entry.name.chars().count() + slash.len()) + 1;
        let date =
            entry.modified.map_or_else(|| "-".into(), |date| date.format("%Y-%m-%d %H:%M").to_string());
        let size = entry.size.map_or_else(|| "-".into(), |size| size.to_string());
        let _ = write!(html, "{:padding$}{date:<16}  {size:>16}", "");
    }
    html.push('\n');
}

/// What comes after the entries.
pub(crate) const TAIL: &str = "</pre><hr>\n</body>\n</html>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out() {
        let mut html = String::new();
        let name = "<script>\"'&".to_owned();
        line(&mut html, &Entry { name, directory: false, size: Some(3), modified: None });
        assert!(html.starts_with("<a href=\"./%3Cscript%3E%22%27%26\">&lt;script&gt;\"'&amp;</a>"), "{html}");
        assert!(html.ends_with(" 3\n"), "{html}");
        assert!(!head("</title><script>").contains("<script>"));
    }

    #[test]
    fn directories_end_with_a_slash() {
        let mut html = String::new();
        line(&mut html, &Entry { name: "a b".into(), directory: true, size: None, modified: None });
        assert_eq!(html, "<a href=\"./a%20b/\">a b/</a>\n");
    }
}
