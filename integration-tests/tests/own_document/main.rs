//! The running API against its own document: everything that it documents is asked, and has a defined answer.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod document;
mod other_domain;
mod shape;
mod values;

use std::collections::BTreeMap;

use document::{Operation, operations};
use futures_util::{StreamExt, stream};
use http::Method;
use integration_tests::{Answer, Population, send};
use serde_json::{Map, Value, json};
use shape::{Form, faults};
use url::form_urlencoded::byte_serialize;
use values::{Filter, ODD};

/// Requests at a time.
const CONCURRENCY: usize = 8;

/// No object has these.
const UNKNOWN: [&str; 3] = ["00000000-0000-4000-8000-000000000000", "999999", "not-an-id"];

/// What must come back.
#[derive(Clone, Debug)]
enum Expected {
    /// An answer that is no failure of the server.
    Defined,
    /// A page with so many objects at least, as documented; its objects have these fields only, if any are
    /// named.
    Page(usize, Option<Vec<String>>),
    /// 400, and this text, the parameter's name as a rule.
    Refused(String),
}

/// One request to a list.
#[derive(Clone, Debug)]
struct Question {
    target: String,
    expected: Expected,
}

#[tokio::test]
async fn every_list_takes_every_parameter_that_it_documents() {
    let population = Population::start().await;
    let document = population.get("/pulp/api/v3/docs/api.json").await;
    let operations = operations(&population, &document).await;
    let hrefs = hrefs(&operations);
    let mut questions = Vec::new();
    for list in operations.iter().filter(|one| one.is_list()) {
        let objects = population.get(&format!("{}?limit=1000", list.path)).await["results"].clone();
        let objects = objects.as_array().unwrap();
        assert!(!objects.is_empty(), "{} lists nothing: the test would show nothing", list.path);
        let asked =
            [filters(list, objects, &hrefs), orderings(list, objects), pages(list), fields(list, objects)];
        questions.extend(asked.into_iter().flatten().map(|question| (list, question)));
    }
    assert!(questions.len() > 1000, "only {} questions", questions.len());
    let failures: Vec<Vec<String>> = stream::iter(&questions)
        .map(|(list, question)| async {
            let answer = population.pulp.client.get(&question.target).await;
            judge(&document, list, question, &answer)
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    show(failures.concat());
}

/// The paths of objects that exist, by the parameters that stand for them.
fn hrefs(operations: &[Operation]) -> BTreeMap<String, String> {
    let alone = |one: &Operation| one.template.strip_prefix('{')?.strip_suffix('}').map(str::to_owned);
    operations.iter().filter_map(|one| Some((alone(one)?, one.path.clone()))).collect()
}

/// Every filter with a value that fits, alone and within `q`, and with values that do not.
fn filters(list: &Operation, objects: &[Value], hrefs: &BTreeMap<String, String>) -> Vec<Question> {
    const COMMON: [&str; 6] = ["limit", "offset", "ordering", "fields", "exclude_fields", "q"];
    let mut questions = Vec::new();
    let with_q = list.query().any(|parameter| parameter["name"] == "q");
    for filter in list.query().map(Filter::of).filter(|filter| !COMMON.contains(&filter.name)) {
        let name = filter.name;
        let (value, found) = filter.plausible(objects, hrefs);
        questions.push(ask(list, &[(name, &value)], Expected::Page(found, None)));
        if with_q {
            let text = format!("{name}=\"{value}\" OR NOT {name}='{value}'");
            questions.push(ask(list, &[("q", &text)], Expected::Page(objects.len(), None)));
        }
        for value in filter.refused() {
            // Postgres judges these, and does not know the parameter.
            let about = if name.ends_with("regex") { "invalid regular expression" } else { name };
            questions.push(ask(list, &[(name, value)], Expected::Refused(about.to_owned())));
        }
        questions.extend(ODD.map(|value| ask(list, &[(name, value)], Expected::Defined)));
        questions.push(ask(list, &[(name, &"x".repeat(5000))], Expected::Defined));
        let bytes = format!("{}?{name}=%ff%fe", list.path);
        questions.push(Question { target: bytes, expected: Expected::Defined });
    }
    for text in ["x", "x=1", "(", "NOT", &"(".repeat(5000)].into_iter().filter(|_| with_q) {
        questions.push(ask(list, &[("q", text)], Expected::Refused("q".to_owned())));
    }
    questions.push(ask(list, &[("colour", "red")], Expected::Refused("colour".to_owned())));
    questions
}

/// Every order, and one that there is not.
fn orderings(list: &Operation, objects: &[Value]) -> Vec<Question> {
    let Some(ordering) = list.query().find(|parameter| parameter["name"] == "ordering") else {
        return Vec::new();
    };
    let words = ordering["schema"]["items"]["enum"].as_array().unwrap();
    let all = || Expected::Page(objects.len(), None);
    let mut questions: Vec<Question> =
        words.iter().map(|word| ask(list, &[("ordering", word.as_str().unwrap())], all())).collect();
    let joined: Vec<&str> = words.iter().take(3).filter_map(Value::as_str).collect();
    questions.push(ask(list, &[("ordering", &joined.join(","))], all()));
    questions.push(ask(list, &[("ordering", "colour")], Expected::Refused("ordering".to_owned())));
    questions
}

/// Limits and offsets, also such that are none: those are taken as if they were not there, as Django has it.
fn pages(list: &Operation) -> Vec<Question> {
    let page = |limit: &str, offset: &str, found| {
        ask(list, &[("limit", limit), ("offset", offset)], Expected::Page(found, None))
    };
    let mut questions = vec![page("1", "0", 1), page("1", "1", 0), page("1000000", "0", 1)];
    for odd in ["0", "-1", "x", "", "99999999999999999999", "9223372036854775807", "1.5"] {
        questions.extend([page(odd, "0", 1), page("1", odd, 0)]);
    }
    questions
}

/// Every field alone, all but one, and the short form.
fn fields(list: &Operation, objects: &[Value]) -> Vec<Question> {
    let names: Vec<&String> = objects[0].as_object().unwrap().keys().collect();
    let mut questions = vec![
        ask(list, &[("minimal", "true")], Expected::Page(1, None)),
        ask(list, &[("fields", "colour")], Expected::Page(1, Some(Vec::new()))),
        ask(list, &[("exclude_fields", "colour")], Expected::Page(1, None)),
    ];
    for name in &names {
        let only = Expected::Page(1, Some(vec![(*name).clone()]));
        questions.push(ask(list, &[("fields", name.as_str())], only));
        let rest = names.iter().filter(|other| other != &name).map(|other| (*other).clone()).collect();
        questions.push(ask(list, &[("exclude_fields", name.as_str())], Expected::Page(1, Some(rest))));
    }
    questions
}

fn ask(list: &Operation, query: &[(&str, &str)], expected: Expected) -> Question {
    let pairs: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={}", byte_serialize(value.as_bytes()).collect::<String>()))
        .collect();
    Question { target: format!("{}?{}", list.path, pairs.join("&")), expected }
}

fn judge(document: &Value, list: &Operation, question: &Question, answer: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    let body = &answer.body;
    match &question.expected {
        Expected::Defined if answer.status == 200 || answer.status == 400 => {}
        Expected::Refused(name) if answer.status == 400 && body.to_string().contains(name.as_str()) => {}
        Expected::Page(at_least, names) if answer.status == 200 => {
            let selected = names.is_some() || question.target.contains("minimal");
            let form = if selected { Form::Selected } else { Form::Whole };
            found.extend(faults(document, list.schema("200"), body, form));
            if body["results"].as_array().map_or(0, Vec::len) < *at_least {
                found.push(format!("finds less than {at_least}"));
            }
            for (object, names) in body["results"].as_array().into_iter().flatten().zip(names.iter().cycle())
            {
                let shown: Vec<&String> = object.as_object().unwrap().keys().collect();
                if shown != names.iter().collect::<Vec<_>>() {
                    found.push(format!("shows {shown:?}"));
                }
            }
        }
        expected => found.push(format!("{}: {:.200}, not {expected:?}", answer.status, answer.text())),
    }
    if !body.is_object() {
        found.push(format!("no JSON: {:.200}", answer.text()));
    }
    found.iter().map(|fault| format!("{:.300}: {fault}", question.target)).collect()
}

#[tokio::test]
async fn every_operation_has_a_defined_answer_to_anybody_and_for_any_id() {
    let population = Population::start().await;
    let document = population.get("/pulp/api/v3/docs/api.json").await;
    let operations = operations(&population, &document).await;
    let failures: Vec<Vec<String>> = stream::iter(&operations)
        .map(|operation| async {
            let mut found = without_credentials(&population, operation).await;
            found.extend(with_unknown_ids(&population, operation).await);
            found.extend(reads(&population, &document, operation).await);
            found
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    show(failures.concat());
}

/// Open operations answer, all others ask for credentials.
async fn without_credentials(population: &Population, operation: &Operation) -> Vec<String> {
    let request = population.pulp.client.anonymous(operation.method.clone(), &operation.path);
    let answer = send(request).await;
    let expected = if operation.open() { 200 } else { 401 };
    differs(operation, &operation.path, &answer, expected).into_iter().collect()
}

/// An object that does not exist is not found, whatever is to be done with it.
async fn with_unknown_ids(population: &Population, operation: &Operation) -> Vec<String> {
    if !operation.template.starts_with('{') {
        return Vec::new();
    }
    let mut found = Vec::new();
    let body = fitting_body(operation);
    let segments: Vec<&str> = operation.path.split('/').collect();
    let mut ids = segments.iter().filter(|part| part.len() == 36 || part.parse::<u32>().is_ok());
    let id = ids.next_back().unwrap();
    for unknown in UNKNOWN {
        let path = operation.path.replace(&format!("/{id}/"), &format!("/{unknown}/"));
        let request = population.pulp.client.request(operation.method.clone(), &path);
        let answer = match operation.method {
            Method::GET | Method::DELETE => send(request).await,
            _ => send(request.json(&body)).await,
        };
        found.extend(differs(operation, &path, &answer, 404));
    }
    found
}

/// Everything that can be read is as documented, whole, in its short form and by fields.
async fn reads(population: &Population, document: &Value, operation: &Operation) -> Vec<String> {
    let mut found = Vec::new();
    if operation.method != Method::GET || operation.is_list() {
        return found;
    }
    let selectable = operation.query().any(|parameter| parameter["name"] == "exclude_fields");
    let whole = population.pulp.client.get(&operation.path).await;
    let mut questions = vec![(String::new(), Form::Whole)];
    for name in whole.body.as_object().into_iter().flat_map(Map::keys).filter(|_| selectable) {
        questions.push((format!("?fields={name}"), Form::Selected));
        questions.push((format!("?exclude_fields={name}&minimal=true"), Form::Selected));
    }
    for (query, form) in questions {
        let target = format!("{}{query}", operation.path);
        let answer = population.pulp.client.get(&target).await;
        found.extend(differs(operation, &target, &answer, 200));
        let faults = faults(document, operation.schema("200"), &answer.body, form);
        found.extend(faults.iter().map(|fault| format!("{target}: {fault}")));
    }
    found
}

/// A body that an operation takes which looks at it before it looks for the object.
fn fitting_body(operation: &Operation) -> Value {
    match operation.template.split_once('}').map_or("", |(_, action)| action) {
        "set_label/" => json!({"key": "a", "value": "b"}),
        "unset_label/" => json!({"key": "a"}),
        "" if operation.id().ends_with("_cancel") => json!({"state": "canceled"}),
        _ => json!({}),
    }
}

fn differs(operation: &Operation, target: &str, answer: &Answer, expected: u16) -> Option<String> {
    let (method, id) = (&operation.method, operation.id());
    let told =
        || format!("{method} {target} ({id}): {}, not {expected}: {:.200}", answer.status, answer.text());
    (answer.status != expected).then(told)
}

#[track_caller]
fn show(failures: Vec<String>) {
    assert!(failures.is_empty(), "{} answers differ:\n{}", failures.len(), failures.join("\n"));
}
