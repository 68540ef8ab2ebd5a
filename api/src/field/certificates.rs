//! Certificates in PEM.

use serde_json::{Value, json};
use tasking::download::certificates::{NoCertificates, normalize};

use super::Shape;
use super::text::plain;

/// One or more certificates in PEM; what stands around them is not stored.
#[derive(Clone, Copy, Debug)]
pub struct Certificates {
    /// The name of the field, for messages.
    pub name: &'static str,
}

impl Shape for Certificates {
    fn read(&self, value: &Value, _is_form: bool) -> Result<Value, String> {
        let (name, text) = (self.name, plain(value)?);
        normalize(&text).map(Value::from).map_err(|error| match error {
            NoCertificates::Missing => {
                format!("No {name} specified in string: there is no PEM certificate in it.")
            }
            NoCertificates::Invalid => format!("Invalid {name}: a certificate in it cannot be parsed."),
        })
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "minLength": 1})
    }
}
