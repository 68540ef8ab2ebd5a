//! Shapes of values that refer to nothing: numbers, times, words, labels, lists and maps.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::values::check;
use super::{Field, Mode, Shape, request_component};
use crate::body::Form;
use crate::schema::Component;
use crate::{filter, labels};

/// A whole number not below `low` and not above `high`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Integer {
    /// The smallest.
    pub low: Option<i64>,
    /// The largest.
    pub high: Option<i64>,
}

impl Shape for Integer {
    fn read(&self, value: &Value, _is_form: bool) -> Result<Value, String> {
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.ok_or("A valid integer is required.")?;
        at_least(number, self.low.unwrap_or(i64::MIN))?;
        match self.high {
            Some(high) if number > high => Err(format!("Ensure this value is less than or equal to {high}.")),
            _ => Ok(number.into()),
        }
    }

    fn schema(&self) -> Value {
        let mut schema = json!({"type": "integer", "format": "int64"});
        for (key, bound) in [("minimum", self.low), ("maximum", self.high)] {
            if let Some(bound) = bound {
                schema[key] = bound.into();
            }
        }
        schema
    }
}

/// A finite number not below `low` and not above `high`.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
}

impl Shape for Number {
    fn read(&self, value: &Value, _is_form: bool) -> Result<Value, String> {
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number: &f64| number.is_finite()).ok_or("A valid number is required.")?;
        at_least(number, self.low)?;
        match number > self.high {
            true => Err(format!("Ensure this value is less than or equal to {}.", self.high)),
            false => Ok(number.into()),
        }
    }

    fn schema(&self) -> Value {
        json!({"type": "number", "format": "double", "minimum": self.low, "maximum": self.high})
    }
}

fn at_least<T: PartialOrd + std::fmt::Display>(number: T, low: T) -> Result<(), String> {
    match number < low {
        true => Err(format!("Ensure this value is greater than or equal to {low}.")),
        false => Ok(()),
    }
}

/// Yes or no.
#[derive(Clone, Copy, Debug)]
pub struct Boolean;

impl Shape for Boolean {
    fn read(&self, value: &Value, _is_form: bool) -> Result<Value, String> {
        let word = match value {
            Value::Bool(value) => return Ok((*value).into()),
            Value::String(text) => text.to_ascii_lowercase(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        match word.as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true.into()),
            "false" | "f" | "no" | "n" | "off" | "0" => Ok(false.into()),
            _ => Err("Must be a valid boolean.".to_owned()),
        }
    }

    fn schema(&self) -> Value {
        json!({"type": "boolean"})
    }
}

/// A time.
#[derive(Clone, Copy, Debug)]
pub struct Time;

impl Shape for Time {
    fn read(&self, value: &Value, _is_form: bool) -> Result<Value, String> {
        let parsed = value.as_str().and_then(|text| filter::parse_date("", text).ok());
        let wrong = "Datetime has wrong format. Use one of these formats instead: \
                     YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].";
        parsed.map(|time| time.to_rfc3339().into()).ok_or_else(|| wrong.to_owned())
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "format": "date-time"})
    }
}

/// One of some words.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The name of the enumeration in the document.
    pub name: &'static str,
    /// The words.
    pub words: &'static [&'static str],
}

impl Shape for Choice {
    fn read(&self, value: &Value, _is_form: bool) -> Result<Value, String> {
        match value {
            Value::String(word) if self.words.contains(&word.as_str()) => Ok(value.clone()),
            Value::String(word) => Err(format!("\"{word}\" is not a valid choice.")),
            other => Err(format!("\"{other}\" is not a valid choice.")),
        }
    }

    fn schema(&self) -> Value {
        json!({"allOf": [{"$ref": format!("#/components/schemas/{}", self.name)}]})
    }

    fn components(&self) -> Vec<Component> {
        vec![Component::of_value(self.name.to_owned(), json!({"type": "string", "enum": self.words}))]
    }
}

/// Labels: a map of texts (R20).
#[derive(Clone, Copy, Debug)]
pub struct Labels;

impl Shape for Labels {
    fn read(&self, value: &Value, is_form: bool) -> Result<Value, String> {
        match unpacked(value, is_form) {
            Value::Object(map) => labels::read(map).map(Value::from),
            other => Err(no_map(&other)),
        }
    }

    fn schema(&self) -> Value {
        json!({"type": "object", "additionalProperties": {"type": ["string", "null"]}})
    }
}

/// A map of anything.
#[derive(Clone, Copy, Debug)]
pub struct Map;

impl Shape for Map {
    fn read(&self, value: &Value, is_form: bool) -> Result<Value, String> {
        match unpacked(value, is_form) {
            map @ Value::Object(_) => Ok(map),
            other => Err(no_map(&other)),
        }
    }

    fn schema(&self) -> Value {
        json!({"type": "object"})
    }
}

/// A list of maps of texts.
#[derive(Clone, Copy, Debug)]
pub struct TextMaps;

impl Shape for TextMaps {
    fn read(&self, value: &Value, is_form: bool) -> Result<Value, String> {
        list(unpacked(value, is_form), |item| match item {
            Value::Object(map) if map.values().all(Value::is_string) => Ok(()),
            Value::Object(_) => Err("Not a valid string.".to_owned()),
            other => Err(no_map(other)),
        })
    }

    fn schema(&self) -> Value {
        json!({"type": "array", "items": {"type": "object"}})
    }
}

/// A list of texts.
#[derive(Clone, Copy, Debug)]
pub struct Texts;

impl Shape for Texts {
    fn read(&self, value: &Value, is_form: bool) -> Result<Value, String> {
        list(several(value, is_form), |item| match item {
            Value::String(_) => Ok(()),
            _ => Err("Not a valid string.".to_owned()),
        })
    }

    fn schema(&self) -> Value {
        json!({"type": "array", "items": {"type": "string"}})
    }
}

/// A file in a form. It is taken from the form, and has no value.
#[derive(Clone, Copy, Debug)]
pub struct File;

impl Shape for File {
    fn read(&self, _value: &Value, _is_form: bool) -> Result<Value, String> {
        Err("The submitted data was not a file. Check the encoding type on the form.".to_owned())
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "format": "binary"})
    }

    fn is_file(&self) -> bool {
        true
    }
}

/// Bytes as base64 (RFC 4648), with padding.
#[derive(Clone, Copy, Debug)]
pub struct Base64;

impl Shape for Base64 {
    fn read(&self, value: &Value, _is_form: bool) -> Result<Value, String> {
        let is_valid = value.as_str().is_some_and(|text| STANDARD.decode(text).is_ok());
        is_valid.then(|| value.clone()).ok_or_else(|| "Not a valid base64 string.".to_owned())
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "contentEncoding": "base64"})
    }
}

/// An object with fields of its own, none of which refers to a row.
#[derive(Clone, Debug)]
pub struct Nested {
    /// The name of its schema in the document.
    pub name: &'static str,
    /// Its fields.
    pub fields: Vec<Field>,
}

impl Shape for Nested {
    fn read(&self, value: &Value, is_form: bool) -> Result<Value, String> {
        let Value::Object(fields) = unpacked(value, is_form) else { return Err(no_map(value)) };
        let (values, errors) = check(&self.fields, &Form { fields, ..Form::default() }, Mode::Whole);
        match errors.iter().next() {
            None => Ok(values.into()),
            Some((field, messages)) => Err(format!("{field}: {}", messages.join(" "))),
        }
    }

    fn schema(&self) -> Value {
        json!({"allOf": [{"$ref": format!("#/components/schemas/{}", self.name)}]})
    }

    fn components(&self) -> Vec<Component> {
        vec![request_component(self.name, &self.fields, Mode::Whole)]
    }
}

/// A form holds maps and lists as JSON texts.
fn unpacked(value: &Value, is_form: bool) -> Value {
    match value {
        Value::String(text) if is_form => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        _ => value.clone(),
    }
}

/// The values of a list: of a form, the only one may be a JSON list or stand for itself.
pub(super) fn several(value: &Value, is_form: bool) -> Value {
    match unpacked(value, is_form) {
        Value::String(text) if is_form => json!([text]),
        other => other,
    }
}

pub(super) fn list(value: Value, check: impl Fn(&Value) -> Result<(), String>) -> Result<Value, String> {
    match value {
        Value::Array(items) => items.iter().try_for_each(check).map(|()| items.into()),
        other => Err(format!("Expected a list of items but got type \"{}\".", type_name(&other))),
    }
}

fn no_map(value: &Value) -> String {
    format!("Expected a dictionary of items but got type \"{}\".", type_name(value))
}

/// What Python calls the type of a value: clients know these messages.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_checked() {
        assert_eq!(Base64.read(&json!("aGk="), false).unwrap(), json!("aGk="));
        for wrong in [json!("aGk"), json!("!"), json!(1)] {
            assert!(Base64.read(&wrong, false).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_nested_object_has_the_rules_of_its_fields() {
        let fields = vec![Field::text("name").required(), Field::new("count", Integer::default()).default(1)];
        let nested = Nested { name: "Part", fields };
        let read = nested.read(&json!({"name": " a "}), false).unwrap();
        assert_eq!(read, json!({"name": "a", "count": 1}));
        assert_eq!(nested.read(&json!("{\"name\": \"b\"}"), true).unwrap()["name"], "b");
        let error = nested.read(&json!({"count": 2}), false).unwrap_err();
        assert_eq!(error, "name: This field is required.");
        assert!(nested.read(&json!([]), false).is_err());
    }
}
