//! Fields that requests may hold: one value per field says how it is read, stored and documented.
//!
//! A table of fields, not a derived struct: all that is wrong with a request is told at once, and a field
//! that is absent, one that is null and one that has a value are three things (R23, R24).

mod certificates;
mod references;
mod shapes;
mod text;
mod values;

use std::sync::Arc;

use serde_json::{Map, Value, json};

pub use certificates::Certificates;
pub use references::{Found, Nothing, Reference, References, Target, Version};
pub use shapes::{
    Base64, Boolean, Choice, File, Integer, Labels, Map as AnyMap, Nested, Number, TextMaps, Texts, Time,
};
pub use text::{Secret, Text};
pub use values::{Mode, Values};

use crate::Result;
use crate::reader::Reader;
use crate::schema::Component;

/// What a field holds. Plugins bring shapes of their own by implementing this.
#[async_trait::async_trait]
pub trait Shape: std::fmt::Debug + Send + Sync + 'static {
    /// Reads a value that is there and not null; of a form, it is a text or a list of texts.
    ///
    /// # Errors
    /// What is wrong with it, in the words of Django REST Framework, for the client.
    fn read(&self, value: &Value, is_form: bool) -> Result<Value, String>;

    /// Its JSON schema.
    fn schema(&self) -> Value;

    /// Named schemas that [`Shape::schema`] refers to.
    fn components(&self) -> Vec<Component> {
        Vec::new()
    }

    /// Whether the field is a file of a form.
    fn is_file(&self) -> bool {
        false
    }

    /// Whether an empty text stands for null, in JSON, too.
    fn is_relation(&self) -> bool {
        false
    }

    /// Whether the field is stored encrypted and never shown (V04).
    fn is_secret(&self) -> bool {
        false
    }

    /// Finds the rows that a value which was read refers to; none if it refers to nothing.
    ///
    /// # Errors
    /// If the database refuses; what is wrong with the reference is in the inner result.
    async fn find(&self, _value: &Value, _reader: &Reader<'_>) -> Result<Option<Result<Found, String>>> {
        Ok(None)
    }
}

/// Where a field is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Nowhere: it is an argument.
    Nowhere,
    /// In a column.
    Column(&'static str),
    /// In the `details` of the row.
    Detail,
    /// In the column of its name of the kind's own table.
    OwnTable,
}

/// One field that requests may hold.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it holds.
    pub shape: Arc<dyn Shape>,
    /// Where it is stored.
    pub store: Store,
    /// Whether a creation has to give it.
    pub required: bool,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether another row of the domain may not have the same value.
    pub unique: bool,
    /// What an absent value stands for, in a creation and in a PUT.
    pub default: Option<Value>,
}

impl Field {
    /// A field stored in the column of its name.
    pub fn new(name: &'static str, shape: impl Shape) -> Field {
        Field {
            name,
            shape: Arc::new(shape),
            store: Store::Column(name),
            required: false,
            nullable: false,
            unique: false,
            default: None,
        }
    }

    /// A text.
    pub fn text(name: &'static str) -> Field {
        Field::new(name, Text::any())
    }

    /// `pulp_labels`.
    pub fn labels() -> Field {
        Field::new("pulp_labels", Labels)
    }

    /// A field that is only an argument of a request.
    pub fn argument(name: &'static str, shape: impl Shape) -> Field {
        Field { store: Store::Nowhere, ..Field::new(name, shape) }
    }

    /// Says in which column it is stored.
    #[must_use]
    pub fn in_column(self, column: &'static str) -> Field {
        Field { store: Store::Column(column), ..self }
    }

    /// Says that it is part of the row's `details`.
    #[must_use]
    pub fn detail(self) -> Field {
        Field { store: Store::Detail, ..self }
    }

    /// Says that it is a column of the kind's own table ([`entities::Kind::with_own_table`]).
    #[must_use]
    pub fn in_own_table(self) -> Field {
        Field { store: Store::OwnTable, ..self }
    }

    /// Says that a creation has to give it.
    #[must_use]
    pub fn required(self) -> Field {
        Field { required: true, ..self }
    }

    /// Says that it may be null.
    #[must_use]
    pub fn nullable(self) -> Field {
        Field { nullable: true, ..self }
    }

    /// Says that no two rows of a domain may have the same value.
    #[must_use]
    pub fn unique(self) -> Field {
        Field { unique: true, ..self }
    }

    /// Says what an absent value stands for.
    #[must_use]
    pub fn default(self, value: impl Into<Value>) -> Field {
        Field { default: Some(value.into()), ..self }
    }

    /// What the document says of it in a request.
    fn property(&self) -> Value {
        let mut schema = self.shape.schema();
        if self.shape.is_secret() || self.shape.is_file() {
            schema["writeOnly"] = true.into();
        }
        if let Some(default) = &self.default {
            schema["default"] = default.clone();
        }
        match schema.get("type").cloned() {
            Some(Value::String(kind)) if self.nullable => schema["type"] = json!([kind, "null"]),
            _ => {}
        }
        schema
    }
}

/// The schema of a request that holds these fields; in a PATCH (`Mode::Partial`) nothing is required.
pub fn request_component(name: &str, fields: &[Field], mode: Mode) -> Component {
    let name = if mode == Mode::Partial { format!("Patched{name}") } else { name.to_owned() };
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), field.property())).collect();
    let mut schema = json!({"type": "object", "properties": properties});
    let required: Vec<Value> = fields
        .iter()
        .filter(|field| field.required && mode == Mode::Whole)
        .map(|field| field.name.into())
        .collect();
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    let parts = fields.iter().flat_map(|field| field.shape.components());
    parts.fold(Component::of_value(name, schema), |component, part| component.with(&part))
}
