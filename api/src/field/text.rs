//! Texts, and secrets.

use serde_json::{Value, json};

use super::Shape;

const BLANK: &str = "This field may not be blank.";

/// A text.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    limit: Option<usize>,
    may_be_blank: bool,
}

impl Text {
    /// Of any length, but not blank.
    pub fn any() -> Text {
        Text { limit: None, may_be_blank: false }
    }

    /// Of any length.
    pub fn or_blank() -> Text {
        Text { limit: None, may_be_blank: true }
    }

    /// Of at most so many characters, and not blank.
    pub fn at_most(limit: usize) -> Text {
        Text { limit: Some(limit), may_be_blank: false }
    }
}

impl Shape for Text {
    fn read(&self, value: &Value, _is_form: bool) -> Result<Value, String> {
        let text = plain(value)?.trim().to_owned();
        if text.is_empty() && !self.may_be_blank {
            return Err(BLANK.to_owned());
        }
        match self.limit {
            Some(limit) if text.chars().count() > limit => {
                Err(format!("Ensure this field has no more than {limit} characters."))
            }
            _ => Ok(text.into()),
        }
    }

    fn schema(&self) -> Value {
        match self.limit {
            Some(limit) => json!({"type": "string", "minLength": 1, "maxLength": limit}),
            None if self.may_be_blank => json!({"type": "string"}),
            None => json!({"type": "string", "minLength": 1}),
        }
    }
}

/// A text that is stored encrypted and never shown (V04).
#[derive(Clone, Copy, Debug)]
pub struct Secret;

impl Shape for Secret {
    /// White space at the ends of a password or key is part of it.
    fn read(&self, value: &Value, _is_form: bool) -> Result<Value, String> {
        match plain(value)? {
            text if text.is_empty() => Err(BLANK.to_owned()),
            text => Ok(text.into()),
        }
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "minLength": 1})
    }

    fn is_secret(&self) -> bool {
        true
    }
}

pub(super) fn plain(value: &Value) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err("Not a valid string.".to_owned()),
    };
    match text.contains('\0') {
        true => Err("Null characters are not allowed.".to_owned()),
        false => Ok(text),
    }
}
