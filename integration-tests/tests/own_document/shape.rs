//! Compares a body with the schema of the document.
//!
//! Documents of Pulp leave out of `type` that most fields may be null, and its clients do not mind; so null
//! is taken for every field.

use serde_json::Value;

/// How much of an object has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Every documented field.
    Whole,
    /// Only those that the query asks for.
    Selected,
}

/// What is wrong with a body; empty if it is as documented.
pub(crate) fn faults(document: &Value, schema: &Value, body: &Value, form: Form) -> Vec<String> {
    let mut found = Vec::new();
    compare(&Check { document, form }, schema, body, "", &mut found);
    found
}

struct Check<'a> {
    document: &'a Value,
    form: Form,
}

fn compare(check: &Check<'_>, schema: &Value, body: &Value, place: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = check.document.pointer(reference.trim_start_matches('#')).unwrap();
        return compare(check, target, body, place, found);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        compare(check, part, body, place, found);
    }
    if body.is_null() {
        return;
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one.as_str()],
        _ => Vec::new(),
    };
    let kind = match body {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = types.contains(&kind) || kind == "integer" && types.contains(&"number");
    if !types.is_empty() && !fits {
        found.push(format!("{place} is {kind}, not {types:?}"));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(body)
    {
        found.push(format!("{place} is {body}, not one of {words:?}"));
    }
    if let (Some("date-time"), Some(text)) = (schema["format"].as_str(), body.as_str())
        && chrono::DateTime::parse_from_rfc3339(text).is_err()
    {
        found.push(format!("{place} is no time: {text}"));
    }
    for (position, item) in body.as_array().into_iter().flatten().enumerate() {
        compare(check, &schema["items"], item, &format!("{place}[{position}]"), found);
    }
    if let (Some(properties), Some(fields)) = (schema["properties"].as_object(), body.as_object()) {
        for (name, value) in fields {
            match properties.get(name) {
                Some(schema) => compare(check, schema, value, &format!("{place}.{name}"), found),
                None => found.push(format!("{place}.{name} is not documented")),
            }
        }
        let page = properties.contains_key("results");
        for name in properties.keys().filter(|_| check.form == Form::Whole || page) {
            if !fields.contains_key(name) {
                found.push(format!("{place}.{name} is missing"));
            }
        }
    }
}
