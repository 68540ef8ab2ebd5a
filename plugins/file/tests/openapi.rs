//! The API document is a promise: it changes only on purpose, and clients can read it.

use std::collections::BTreeSet;

use api::Component;
use plugin::Plugin;
use plugin_file::File;
use serde_json::Value;

const SNAPSHOT: &str = include_str!("openapi.json");

fn document() -> Value {
    let file = Component { info: File.info(), endpoints: File.endpoints() };
    api::openapi::document(&[file], "/pulp/api/v3/")
}

#[test]
fn is_the_snapshot() {
    let snapshot: Value = serde_json::from_str(SNAPSHOT).unwrap();
    let document = document();
    let paths = |document: &Value| -> BTreeSet<String> {
        document["paths"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(paths(&document), paths(&snapshot), "paths have come or gone");
    for (path, item) in document["paths"].as_object().unwrap() {
        assert_eq!(*item, snapshot["paths"][path], "{path} has changed");
    }
    assert_eq!(
        document, snapshot,
        "The API document has changed. If that is meant:\npulpcore openapi > plugins/file/tests/openapi.json"
    );
}

/// What the strict model of pulp-glue asks for.
#[test]
fn is_fit_for_strict_clients() {
    let document = document();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap().to_owned();
            assert!(names.insert(name.clone()), "{name} exists twice");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let required = parameter["required"].as_bool() == Some(true);
                assert_eq!(
                    parameter["in"] == "path",
                    path.contains(&format!("{{{}}}", parameter["name"].as_str().unwrap()))
                );
                assert!(required || parameter["in"] != "path", "{method} {path}");
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(response["description"].is_string(), "{name} {status}");
            }
        }
    }
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    for reference in references {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                found.push(reference.clone());
            }
            map.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}
