//! Reading the fields of a request: types, limits, unknown and missing ones, references (R23, R24).

use std::any::Any;
use std::collections::HashMap;

use entities::error::FieldErrors;
use entities::scope::KeyOf;
use entities::{Id, row};
use sea_orm::EntityTrait;
use serde_json::{Map, Value, json};

use super::{Field, Store};
use crate::body::Form;
use crate::reader::Reader;
use crate::{Error, Result};

/// Bytes that the index of a unique field can hold: Postgres takes 2,704, with the domain beside them.
const INDEXED: usize = 2600;

/// What to do about absent fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// POST, PUT: defaults apply, and required fields are required.
    Whole,
    /// PATCH: they stay as they are.
    Partial,
}

/// The fields of a request, checked.
#[derive(Debug, Default)]
pub struct Values {
    values: Map<String, Value>,
    ids: HashMap<&'static str, Box<dyn Any + Send + Sync>>,
}

impl Values {
    /// Reads and checks a form; references are followed in the reader's scope.
    ///
    /// # Errors
    /// All that is wrong with it, by field.
    pub async fn read(reader: &Reader<'_>, fields: &[Field], form: &Form, mode: Mode) -> Result<Values> {
        let (mut values, mut errors) = check(fields, form, mode);
        let mut ids = HashMap::new();
        for field in fields {
            let Some(value) = values.get_mut(field.name) else { continue };
            if value.is_null() {
                continue;
            }
            match field.shape.find(value, reader).await? {
                None => {}
                Some(Ok(found)) => {
                    *value = found.value;
                    ids.insert(field.name, found.id);
                }
                Some(Err(message)) => {
                    errors.insert(field.name.to_owned(), vec![message]);
                }
            }
        }
        if errors.is_empty() { Ok(Values { values, ids }) } else { Err(Error::Invalid(errors)) }
    }

    /// A value, if the request gave one; null is a value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// A text that is there and not null.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// The texts of a list; none if it is absent.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        self.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Whether a field is true.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// The row that a [`super::Reference`] leads to, if it is there and not null.
    pub fn id<E: EntityTrait>(&self, name: &str) -> Option<Id<E>>
    where
        KeyOf<E>: Copy + 'static,
    {
        self.ids.get(name)?.downcast_ref::<Id<E>>().copied()
    }

    /// The rows that [`super::References`] lead to.
    pub fn ids<E: EntityTrait>(&self, name: &str) -> Vec<Id<E>>
    where
        KeyOf<E>: Copy + 'static,
    {
        self.ids.get(name).and_then(|ids| ids.downcast_ref::<Vec<Id<E>>>()).cloned().unwrap_or_default()
    }

    /// Columns and their values; those of `details` and of the own table together under their names.
    pub(crate) fn columns(&self, fields: &[Field]) -> row::Row {
        let mut row = row::Row::new();
        for field in fields {
            let Some(value) = self.get(field.name) else { continue };
            let (column, part) = match field.store {
                Store::Nowhere => continue,
                Store::Column(column) => (column, None),
                Store::Detail => ("details", Some(field.name)),
                Store::OwnTable => (row::OWN, Some(field.name)),
            };
            match part {
                None => {
                    row.insert(column.to_owned(), value.clone());
                }
                Some(name) => {
                    row.entry(column).or_insert_with(|| json!({}))[name] = value.clone();
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
        if !fields.iter().any(|field| field.name == name) {
            errors.insert(name.to_owned(), vec!["Unexpected field".to_owned()]);
        }
    }
    for field in fields {
        let result = match form.fields.get(field.name) {
            _ if form.files.iter().any(|(name, _)| name == field.name) && field.shape.is_file() => Ok(None),
            None if mode == Mode::Partial => Ok(None),
            None if field.required && field.shape.is_file() => Err("No file was submitted.".to_owned()),
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
    // A form cannot say null: an empty text stands for it, and for no row wherever one is referred to.
    let is_empty = (is_form || field.shape.is_relation()) && value.as_str() == Some("");
    if value.is_null() || (is_empty && field.nullable) {
        return if field.nullable { Ok(Value::Null) } else { Err("This field may not be null.".to_owned()) };
    }
    let value = field.shape.read(value, is_form)?;
    match value.as_str() {
        Some(text) if field.unique && text.len() > INDEXED => {
            Err(format!("Ensure this field has no more than {INDEXED} characters."))
        }
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests;
