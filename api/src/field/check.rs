//! Reading the fields of a request: types, limits, unknown and missing ones, relations; in DRF's words (R23, R24).

use entities::error::FieldErrors;
use entities::{Reference, db};
use sea_orm::ConnectionTrait;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Field, Shape, Store};
use crate::body::Form;
use crate::{Context, Error, Result, filter, labels};

/// What to do about absent fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// POST, PUT: defaults apply, and required fields are required.
    Whole,
    /// PATCH: they stay as they are.
    Partial,
}

/// The fields of a request, checked. Relations are ids; of versions, the row's id.
#[derive(Clone, Debug, Default)]
pub struct Values(Map<String, Value>);

impl Values {
    /// Reads and checks a form.
    ///
    /// # Errors
    /// All that is wrong with it, by field.
    pub async fn read(context: &Context, domain: Uuid, fields: &[Field], form: &Form) -> Result<Values> {
        Values::read_as(context, domain, fields, form, Mode::Whole).await
    }

    pub(crate) async fn read_as(
        context: &Context,
        domain: Uuid,
        fields: &[Field],
        form: &Form,
        mode: Mode,
    ) -> Result<Values> {
        let (mut values, mut errors) = check(fields, form, mode);
        for field in fields {
            let Some(Value::String(text)) = values.get(field.name) else { continue };
            if let Some(reference) = target(&field.shape) {
                match resolve(context, domain, &field.shape, reference(text)).await? {
                    Ok(id) => {
                        values.insert(field.name.to_owned(), id.to_string().into());
                    }
                    Err(message) => {
                        errors.insert(field.name.to_owned(), vec![message]);
                    }
                }
            }
        }
        if errors.is_empty() { Ok(Values(values)) } else { Err(Error::Invalid(errors)) }
    }

    /// A value, if the request gave one; null is a value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text that is there and not null.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// A related object that is there and not null.
    pub fn id(&self, name: &str) -> Option<Uuid> {
        self.text(name)?.parse().ok()
    }

    /// Whether a field is true.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// Columns and their values; those of `details` together under that name.
    pub(crate) fn columns(&self, fields: &[Field]) -> Map<String, Value> {
        let mut row = Map::new();
        for field in fields {
            let Some(value) = self.get(field.name) else { continue };
            match field.store {
                Store::Nowhere => {}
                Store::Column(column) => {
                    row.insert(column.to_owned(), value.clone());
                }
                Store::Detail => {
                    let details = row.entry("details").or_insert_with(|| json!({}));
                    details[field.name] = value.clone();
                }
            }
        }
        row
    }
}

/// What can be checked without the database.
pub(super) fn check(fields: &[Field], form: &Form, mode: Mode) -> (Map<String, Value>, FieldErrors) {
    let (mut values, mut errors) = (Map::new(), FieldErrors::new());
    let given =
        form.fields.keys().map(String::as_str).chain(form.files.iter().map(|(name, _)| name.as_str()));
    for name in given.filter(|name| *name != "csrfmiddlewaretoken") {
        if !fields.iter().any(|field| field.writable && field.name == name) {
            errors.insert(name.to_owned(), vec!["Unexpected field".to_owned()]);
        }
    }
    for field in fields.iter().filter(|field| field.writable) {
        let result = match form.fields.get(field.name) {
            _ if matches!(field.shape, Shape::File) => {
                let is_there = form.files.iter().any(|(name, _)| name == field.name);
                match (is_there, form.fields.contains_key(field.name)) {
                    (false, true) => {
                        Err("The submitted data was not a file. Check the encoding type on the form."
                            .to_owned())
                    }
                    (false, false) if field.required && mode == Mode::Whole => {
                        Err("No file was submitted.".into())
                    }
                    _ => Ok(None),
                }
            }
            None if mode == Mode::Partial => Ok(None),
            None if field.required => Err("This field is required.".to_owned()),
            None => Ok(field.default.clone()),
            Some(value) => read(field, value, form.is_form).map(Some),
        };
        match result {
            Ok(None) => {}
            Ok(Some(value)) => {
                values.insert(field.name.to_owned(), value);
            }
            Err(message) => {
                errors.insert(field.name.to_owned(), vec![message]);
            }
        }
    }
    (values, errors)
}

fn read(field: &Field, value: &Value, is_form: bool) -> Result<Value, String> {
    // A form cannot say null: an empty text stands for it.
    let is_empty = is_form && value.as_str() == Some("");
    if value.is_null() || (is_empty && field.nullable) {
        return if field.nullable { Ok(Value::Null) } else { Err("This field may not be null.".to_owned()) };
    }
    let value = match (is_form, value) {
        (true, Value::String(text))
            if matches!(field.shape, Shape::Labels | Shape::Maps | Shape::Map | Shape::Texts) =>
        {
            &serde_json::from_str(text).unwrap_or_else(|_| match field.shape {
                Shape::Texts => json!([text]),
                _ => value.clone(),
            })
        }
        _ => value,
    };
    match &field.shape {
        Shape::Text(limit) => text(value, *limit).map(Value::from),
        // White space at the ends of a password or key is part of it.
        Shape::Secret => plain_text(value).map(Value::from),
        Shape::Integer(low, high) => integer(value, *low, *high),
        Shape::Number(low) => float(value, *low),
        Shape::Boolean => boolean(value),
        Shape::Time => time(value),
        Shape::Choice(_, words) => match value {
            Value::String(word) if words.contains(&word.as_str()) => Ok(value.clone()),
            Value::String(word) => Err(format!("\"{word}\" is not a valid choice.")),
            other => Err(format!("\"{other}\" is not a valid choice.")),
        },
        Shape::Labels => match value {
            Value::Object(map) => labels::check(map).map(|()| value.clone()),
            other => Err(format!("Expected a dictionary of items but got type \"{}\".", type_name(other))),
        },
        Shape::Map => match value {
            Value::Object(_) => Ok(value.clone()),
            other => Err(format!("Expected a dictionary of items but got type \"{}\".", type_name(other))),
        },
        Shape::Maps => list(value, |item| match item {
            Value::Object(map) if map.values().all(Value::is_string) => Ok(()),
            Value::Object(_) => Err("Not a valid string.".to_owned()),
            other => Err(format!("Expected a dictionary of items but got type \"{}\".", type_name(other))),
        }),
        Shape::Texts => list(value, |item| match item {
            Value::String(_) => Ok(()),
            _ => Err("Not a valid string.".to_owned()),
        }),
        Shape::Reference(_) | Shape::Object(_) | Shape::Version => match value {
            Value::String(_) => Ok(value.clone()),
            other => Err(format!("Incorrect type. Expected URL string, received {}.", type_name(other))),
        },
        _ => Ok(value.clone()),
    }
}

fn text(value: &Value, limit: Option<usize>) -> Result<String, String> {
    let text = plain_text(value)?.trim().to_owned();
    if text.is_empty() {
        return Err("This field may not be blank.".to_owned());
    }
    match limit {
        Some(limit) if text.chars().count() > limit => {
            Err(format!("Ensure this field has no more than {limit} characters."))
        }
        _ => Ok(text),
    }
}

fn plain_text(value: &Value) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err("Not a valid string.".to_owned()),
    };
    match text.as_str() {
        "" => Err("This field may not be blank.".to_owned()),
        text if text.contains('\0') => Err("Null characters are not allowed.".to_owned()),
        _ => Ok(text),
    }
}

fn integer(value: &Value, low: Option<i64>, high: Option<i64>) -> Result<Value, String> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let number = number.ok_or("A valid integer is required.")?;
    at_least(number, low.unwrap_or(i64::MIN))?;
    match high {
        Some(high) if number > high => Err(format!("Ensure this value is less than or equal to {high}.")),
        _ => Ok(number.into()),
    }
}

fn float(value: &Value, low: Option<f64>) -> Result<Value, String> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let number = number.filter(|number: &f64| number.is_finite()).ok_or("A valid number is required.")?;
    at_least(number, low.unwrap_or(f64::MIN))?;
    Ok(number.into())
}

fn at_least<T: PartialOrd + std::fmt::Display>(number: T, low: T) -> Result<(), String> {
    match number < low {
        true => Err(format!("Ensure this value is greater than or equal to {low}.")),
        false => Ok(()),
    }
}

fn boolean(value: &Value) -> Result<Value, String> {
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

fn time(value: &Value) -> Result<Value, String> {
    let parsed = value.as_str().and_then(|text| filter::parse_date("", text).ok());
    let wrong = "Datetime has wrong format. Use one of these formats instead: \
                 YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].";
    parsed.map(|time| time.to_rfc3339().into()).ok_or_else(|| wrong.to_owned())
}

fn list(value: &Value, check: impl Fn(&Value) -> Result<(), String>) -> Result<Value, String> {
    match value {
        Value::Array(items) => items.iter().try_for_each(check).map(|()| value.clone()),
        other => Err(format!("Expected a list of items but got type \"{}\".", type_name(other))),
    }
}

fn type_name(value: &Value) -> &'static str {
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

fn target(shape: &Shape) -> Option<fn(&str) -> Option<Reference>> {
    matches!(shape, Shape::Reference(_) | Shape::Object(_) | Shape::Version).then_some(Reference::parse)
}

/// The id of what a reference points to, or why it cannot be followed.
async fn resolve(
    context: &Context,
    domain: Uuid,
    shape: &Shape,
    reference: Option<Reference>,
) -> Result<Result<Uuid, String>> {
    let Some(reference) = reference else { return Ok(Err("Invalid hyperlink - No URL match.".to_owned())) };
    let (sql, id, number) = match (shape, reference) {
        (Shape::Version, Reference::Version { repository, number, .. }) => {
            let sql =
                "SELECT v.pulp_id FROM repository_version v JOIN repository r ON r.pulp_id = v.repository_id
                       WHERE v.repository_id = $1 AND r.pulp_domain_id = $2 AND v.number = $3 AND v.complete";
            (sql.to_owned(), repository, number)
        }
        (Shape::Version, Reference::Object { kind, id }) if kind.table == "repository_version" => {
            let sql =
                "SELECT v.pulp_id FROM repository_version v JOIN repository r ON r.pulp_id = v.repository_id
                       WHERE v.pulp_id = $1 AND r.pulp_domain_id = $2 AND v.complete AND $3 >= 0";
            (sql.to_owned(), id, 0)
        }
        (Shape::Reference(table), Reference::Object { kind, id }) if kind.table == *table => {
            (one(table), id, 0)
        }
        (Shape::Object(wanted), Reference::Object { kind, id }) if kind == *wanted => {
            (one(wanted.table), id, 0)
        }
        _ => return Ok(Err("Invalid hyperlink - Incorrect URL match.".to_owned())),
    };
    let values = [id.into(), domain.into(), number.into()];
    match context.pulp.db.query_one_raw(db::sql(&sql, values)).await? {
        Some(row) => Ok(Ok(row.try_get("", "pulp_id")?)),
        None => Ok(Err("Invalid hyperlink - Object does not exist.".to_owned())),
    }
}

fn one(table: &str) -> String {
    format!("SELECT pulp_id FROM {table} WHERE pulp_id = $1 AND pulp_domain_id = $2 AND $3 >= 0")
}

#[cfg(test)]
mod tests;
