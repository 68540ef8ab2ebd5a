//! Every read of the API, whole, against what was recorded: what users see changes only on purpose.
//!
//! `UPDATE_RECORDED=1 cargo test -p integration-tests --test recorded_answers` records anew. The API document
//! has a snapshot of its own.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod normal;

use std::collections::BTreeMap;
use std::path::Path;

use integration_tests::Population;
use integration_tests::fixtures::href;
use normal::{Names, normal};
use serde_json::{Map, Value, json};

/// Where the answers are, from the crate's root.
const RECORDED: &str = "tests/recorded_answers/answers.json";

/// Lists that are read; those below one object come at the end.
const LISTS: [&str; 19] = [
    "artifacts/",
    "content/",
    "content/file/files/",
    "distributions/",
    "distributions/file/file/",
    "domains/",
    "publications/",
    "publications/file/file/",
    "remotes/",
    "remotes/file/file/",
    "repositories/",
    "repositories/file/file/",
    "repository_versions/",
    "task-groups/",
    "task-schedules/",
    "tasks/",
    "uploads/",
    "users/",
    "workers/",
];

#[tokio::test]
async fn every_read_returns_what_was_recorded() {
    let population = Population::start().await;
    let seen = record(&population).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDED);
    if std::env::var_os("UPDATE_RECORDED").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&seen).unwrap() + "\n").unwrap();
    }
    let recorded: BTreeMap<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let targets: Vec<&String> = recorded.keys().collect();
    assert_eq!(seen.keys().collect::<Vec<_>>(), targets, "other objects than recorded");
    let differing: Vec<String> = seen
        .iter()
        .filter(|(target, body)| recorded[*target] != **body)
        .map(|(target, body)| {
            let (old, new) = difference(&recorded[target], body);
            format!("{target}\n  recorded: {old}\n  now:      {new}")
        })
        .collect();
    assert!(differing.is_empty(), "{} answers differ:\n{}", differing.len(), differing.join("\n"));
}

/// The objects of each list, oldest first, and each object by itself where that shows more.
async fn record(population: &Population) -> BTreeMap<String, Value> {
    let mut names = Names::of(population);
    let mut lists = Vec::new();
    let versions = population.get("/pulp/api/v3/repositories/file/file/?name=uploaded").await;
    let versions = href(&versions["results"][0]) + "versions/";
    let core = LISTS.map(|list| format!("/pulp/api/v3/{list}"));
    for list in core.into_iter().chain([versions]) {
        let mut page = population.get(&list).await;
        let objects = page["results"].as_array_mut().unwrap();
        objects.sort_by_cached_key(|object| (age(object), normal(object, &names).to_string()));
        for object in objects {
            names.learn(&href(object));
            names.learn(object["prn"].as_str().unwrap());
        }
        lists.push((list, page));
    }
    let mut seen = BTreeMap::new();
    for (list, page) in lists {
        for object in page["results"].as_array().unwrap() {
            let (read, listed) = (population.get(&href(object)).await, normal(object, &names));
            let read = normal(&read, &names);
            if read != listed {
                seen.insert(names.text(&href(object)), only_changes(&listed, &read));
            }
        }
        seen.insert(names.text(&list), normal(&page, &names));
    }
    let status = "/pulp/api/v3/status/";
    let mut body = population.get(status).await;
    body["online_workers"].as_array_mut().unwrap().sort_by_key(|worker| worker["name"].to_string());
    seen.insert(status.to_owned(), normal(&body, &names));
    seen
}

/// What the order of objects begins with. Several may be created in the same moment, and processes in any
/// order.
fn age(object: &Value) -> String {
    if object.get("current_task").is_some() { String::new() } else { object["pulp_created"].to_string() }
}

/// The fields of an object read by itself that its list does not show in this way.
fn only_changes(listed: &Value, read: &Value) -> Value {
    let fields = read.as_object().unwrap().iter();
    let changed: Map<String, Value> = fields
        .filter(|(name, value)| listed.get(name) != Some(value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let missing: Vec<&String> =
        listed.as_object().unwrap().keys().filter(|name| read.get(name).is_none()).collect();
    json!({"other than in the list": changed, "only in the list": missing})
}

/// The first parts of two bodies that differ.
fn difference(old: &Value, new: &Value) -> (String, String) {
    let inner = match (old, new) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.values().zip(b.values()).find(|(a, b)| a != b)
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a.iter().zip(b).find(|(a, b)| a != b),
        _ => None,
    };
    inner.map_or_else(|| (old.to_string(), new.to_string()), |(old, new)| difference(old, new))
}
