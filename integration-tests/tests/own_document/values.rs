//! Values for the filters of lists: some that find what is there, some that make no sense.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Filters by another object, and the parameter of the document that stands for its href.
const REFERENCES: [(&str, &str); 20] = [
    ("child_tasks", "task_href"),
    ("content", "file_file_content_href"),
    ("content__in", "file_file_content_href"),
    ("created_resources", "file_file_repository_version_href"),
    ("exclusive_resources", "file_file_repository_href"),
    ("exclusive_resources__in", "file_file_repository_href"),
    ("latest_with_content", "file_file_content_href"),
    ("parent_task", "task_href"),
    ("remote", "file_file_remote_href"),
    ("repository", "file_file_repository_href"),
    ("repository__in", "file_file_repository_href"),
    ("repository_version", "file_file_repository_version_href"),
    ("repository_version_added", "file_file_repository_version_href"),
    ("repository_version_removed", "file_file_repository_version_href"),
    ("reserved_resources", "file_file_repository_href"),
    ("reserved_resources__in", "file_file_repository_href"),
    ("shared_resources", "file_file_repository_href"),
    ("task_group", "task_group_href"),
    ("with_content", "file_file_content_href"),
    ("worker", "worker_href"),
];

/// Filters by a resource of tasks: any text names one.
const RESOURCES: [&str; 4] =
    ["exclusive_resources", "reserved_resources", "shared_resources", "created_resources"];

/// Texts that no filter may stumble over.
pub(crate) const ODD: [&str; 16] = [
    "",
    " ",
    ",",
    ",,x",
    "x\0y",
    "%",
    "_",
    "\\",
    "'",
    "\"",
    "null",
    "é\u{1F600}",
    "-1",
    "99999999999999999999",
    "infinity",
    "9999-12-31T23:59:60.999999999+25:00",
];

/// A filter of a list.
pub(crate) struct Filter<'a> {
    /// Its name, such as `name__contains`.
    pub(crate) name: &'a str,
    /// What follows `__`, or nothing.
    lookup: &'a str,
    schema: &'a Value,
}

impl<'a> Filter<'a> {
    /// The filter that a parameter of the document describes.
    pub(crate) fn of(parameter: &'a Map<String, Value>) -> Filter<'a> {
        let name = parameter["name"].as_str().unwrap();
        let lookup = name.split_once("__").map_or("", |(_, lookup)| lookup);
        Filter { name, lookup, schema: &parameter["schema"] }
    }

    /// A value that at least one of these objects matches, with the number that must be found; 0 if it cannot
    /// be said.
    pub(crate) fn plausible(&self, objects: &[Value], hrefs: &BTreeMap<String, String>) -> (String, usize) {
        let base = self.name.split("__").next().unwrap();
        let shown = objects.iter().find_map(|object| match &object[base] {
            Value::String(text) => Some(text.clone()),
            Value::Array(items) => items.first()?.as_str().map(str::to_owned),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            _ => None,
        });
        let href = || objects[0]["pulp_href"].as_str().unwrap();
        match (base, self.lookup, shown) {
            (_, "isnull", _) => ("false".to_owned(), 0),
            ("pulp_id", ..) => (href().trim_end_matches('/').rsplit('/').next().unwrap().to_owned(), 1),
            // It has moved on before the next request.
            ("last_heartbeat", "" | "lt" | "lte" | "range", Some(value)) => {
                (looked_up(self.lookup, &value).0, 0)
            }
            ("pulp_href" | "prn", _, Some(value)) => (value, 1),
            ("pulp_label_select", ..) => ("env=test,!missing".to_owned(), 0),
            (_, lookup, Some(value)) => looked_up(lookup, &value),
            _ => (self.unseen(hrefs), 0),
        }
    }

    /// Whether it chooses objects; `q` does so by means of others.
    pub(crate) fn chooses(&self) -> bool {
        !["limit", "offset", "ordering", "fields", "exclude_fields", "q"].contains(&self.name)
    }

    /// A value of the filter's type for what objects do not show.
    fn unseen(&self, hrefs: &BTreeMap<String, String>) -> String {
        if let Some((_, href)) = REFERENCES.iter().find(|(name, _)| *name == self.name) {
            return hrefs[*href].clone();
        }
        let one = match self.kind() {
            ("integer" | "number", _) => "1",
            ("boolean", _) => "true",
            (_, "date-time") => "2026-01-01T00:00:00Z",
            _ => "file.file",
        };
        if self.lookup == "range" { format!("{one},{one}") } else { one.to_owned() }
    }

    /// Values that it must refuse by name.
    pub(crate) fn refused(&self) -> &'static [&'static str] {
        if self.lookup == "regex" || self.lookup == "iregex" {
            return &["(", "[b-a]"];
        }
        if RESOURCES.iter().any(|name| self.name.starts_with(name)) {
            return &[];
        }
        if REFERENCES.iter().any(|(name, _)| *name == self.name) {
            return &["x", "/pulp/api/v3/", "prn:file.filerepository:x"];
        }
        if !self.schema["enum"].is_null() {
            return &["x"];
        }
        match self.kind() {
            ("boolean", _) => &["x", "2"],
            ("integer" | "number", _) => &["x", "1e", "1 or 1"],
            (_, "date-time") => &["x", "2026-13-01", "2026-02-30T00:00:00Z"],
            (_, "uuid") => &["x", "00000000"],
            _ if self.name == "pulp_href__in" || self.name == "prn__in" => &["x", "/pulp/api/v3/"],
            _ => &[],
        }
    }

    /// Type and format, of the items if it is a list.
    fn kind(&self) -> (&str, &str) {
        let schema = if self.schema["items"].is_null() { self.schema } else { &self.schema["items"] };
        (schema["type"].as_str().unwrap_or_default(), schema["format"].as_str().unwrap_or_default())
    }
}

/// How a filter has to be asked so that it finds an object with this value.
fn looked_up(lookup: &str, value: &str) -> (String, usize) {
    let shorter = |text: &str| text.chars().take(3).collect::<String>();
    match lookup {
        "range" => (format!("{value},{value}"), 1),
        "gt" | "lt" | "ne" => (value.to_owned(), 0),
        "iexact" => (value.to_uppercase(), 1),
        "contains" | "startswith" => (shorter(value), 1),
        "icontains" | "istartswith" => (shorter(value).to_uppercase(), 1),
        "iregex" => (format!("^{}", shorter(value).to_uppercase()), 1),
        "in" => (format!("{value},{value}"), usize::from(!value.is_empty())),
        _ => (value.to_owned(), 1),
    }
}
