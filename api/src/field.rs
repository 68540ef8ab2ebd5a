//! Fields of resources: one value per field says how it is read, stored, shown and documented.

pub(crate) mod check;
mod document;

use entities::Kind;
use serde_json::Value;

pub use check::Values;
pub use document::{read_component, write_component};

use crate::sql;

/// What a field holds.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Text that is not blank, of at most so many characters.
    Text(Option<usize>),
    /// A whole number not below the first and not above the second.
    Integer(Option<i64>, Option<i64>),
    /// A number not below this.
    Number(Option<f64>),
    /// Yes or no.
    Boolean,
    /// A time.
    Time,
    /// One of some words; the name is that of the enumeration in the document.
    Choice(&'static str, &'static [&'static str]),
    /// A map of texts.
    Labels,
    /// A list of maps of texts.
    Maps,
    /// A list of texts.
    Texts,
    /// Text that is stored encrypted and never shown (V04).
    Secret,
    /// An object of a table, by href or PRN.
    Reference(&'static str),
    /// An object of one kind.
    Object(&'static Kind),
    /// A complete repository version.
    Version,
    /// A file in a form.
    File,
    /// An object that is shown as it is.
    Any,
    /// A list of hrefs that is shown as it is.
    Hrefs,
    /// What `hidden_fields` holds (D02).
    Hidden,
    /// A map of anything.
    Map,
    /// A list of objects of a named schema.
    Components(crate::schema::ComponentRef),
    /// An object of a named schema.
    Component(crate::schema::ComponentRef),
}

/// Where a field is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Nowhere: it is an argument, or computed.
    Nowhere,
    /// In a column.
    Column(&'static str),
    /// In the `details` of the row.
    Detail,
}

/// One field of a resource.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// Where it is stored.
    pub store: Store,
    /// Whether requests may hold it.
    pub writable: bool,
    /// The SQL expression that shows it, on the row `t`; none if it is never shown.
    pub output: Option<String>,
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
    pub fn new(name: &'static str, shape: Shape) -> Field {
        let column = format!("t.{name}");
        let (store, output) = match shape {
            Shape::Secret => (Store::Column(name), None),
            Shape::Reference(table) => (Store::Nowhere, Some(sql::related(table, &format!("{column}_id")))),
            Shape::Object(kind) => (Store::Nowhere, Some(sql::related(kind.table, &format!("{column}_id")))),
            Shape::Version => (Store::Nowhere, Some(sql::related_version(&format!("{column}_id")))),
            Shape::Time => (Store::Column(name), Some(sql::timestamp(&column))),
            _ => (Store::Column(name), Some(column)),
        };
        Field {
            name,
            shape,
            store,
            writable: true,
            output,
            required: false,
            nullable: false,
            unique: false,
            default: None,
        }
    }

    /// A text.
    pub fn text(name: &'static str) -> Field {
        Field::new(name, Shape::Text(None))
    }

    /// A relation, stored in `column`.
    pub fn reference(name: &'static str, table: &'static str, column: &'static str) -> Field {
        Field { store: Store::Column(column), ..Field::new(name, Shape::Reference(table)).nullable() }
    }

    /// A relation to a version, stored in `column`.
    pub fn version(name: &'static str, column: &'static str) -> Field {
        Field { store: Store::Column(column), ..Field::new(name, Shape::Version).nullable() }
    }

    /// A field that is only shown.
    pub fn shown(name: &'static str, shape: Shape, output: impl Into<String>) -> Field {
        let field = Field::new(name, shape);
        Field { store: Store::Nowhere, writable: false, output: Some(output.into()), ..field }
    }

    /// A field that is only an argument of a request.
    pub fn argument(name: &'static str, shape: Shape) -> Field {
        Field { store: Store::Nowhere, output: None, ..Field::new(name, shape) }
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

    /// Says that it is part of the row's `details`.
    #[must_use]
    pub fn detail(self) -> Field {
        Field { store: Store::Detail, output: Some(format!("t.details -> '{}'", self.name)), ..self }
    }
}

/// What every object begins with: `pulp_href`, `prn` and the two times.
pub fn identity(table: &str) -> Vec<Field> {
    let mut fields = named(table);
    fields.push(Field::shown("pulp_created", Shape::Time, sql::timestamp("t.pulp_created")));
    fields.push(Field::shown("pulp_last_updated", Shape::Time, sql::timestamp("t.pulp_last_updated")));
    fields
}

/// Only `pulp_href` and `prn`.
pub fn named(table: &str) -> Vec<Field> {
    vec![
        Field::shown("pulp_href", Shape::Reference("itself"), sql::href(table, "t")),
        Field::shown("prn", Shape::Text(None), sql::prn(table, "t")),
    ]
}

/// `pulp_labels`.
pub fn labels() -> Field {
    Field::new("pulp_labels", Shape::Labels)
}
