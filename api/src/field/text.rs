//! Texts, and secrets.

use serde_json::{Value, json};

use super::Shape;

/// A text that is not blank.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    limit: Option<usize>,
}

impl Text {
    /// Of any length.
    pub fn any() -> Text {
        Text { limit: None }
    }

    /// Of at most so many characters.
    pub fn at_most(limit: usize) -> Text {
        Text { limit: Some(limit) }
    }
}

impl Shape for Text {
    fn read(&self, value: &Value, _is_form: bool) -> Result<Value, String> {
        let text = plain(value)?.trim().to_owned();
        if text.is_empty() {
            return Err("This field may not be blank.".to_owned());
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
        plain(value).map(Value::from)
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "minLength": 1})
    }

    fn is_secret(&self) -> bool {
        true
    }
}

fn plain(value: &Value) -> Result<String, String> {
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
