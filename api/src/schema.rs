//! Named schemas of the API document, and the parameters that many operations share.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{
    ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr, Required};

use crate::field::Field;

/// A schema under its name in the document, with those it refers to.
#[derive(Clone)]
pub struct Component {
    /// Its name, which clients see as a class.
    pub name: String,
    /// Itself and what it refers to, by name.
    pub schemas: BTreeMap<String, Value>,
}

impl Component {
    /// A schema that is put together by hand.
    pub fn new(name: impl Into<String>, schema: impl Into<RefOr<Schema>>) -> Component {
        let (name, schema) = (name.into(), serde_json::to_value(schema.into()).unwrap_or_default());
        Component { schemas: BTreeMap::from([(name.clone(), schema)]), name }
    }

    /// A schema that is a JSON value already.
    pub fn of_value(name: String, schema: Value) -> Component {
        Component { schemas: BTreeMap::from([(name.clone(), schema)]), name }
    }

    /// The schema of a type under its own name.
    pub fn of<T: ToSchema>() -> Component {
        Component::named::<T>(T::name().into_owned())
    }

    /// The schema of a type: its flattened parts are its own properties, and what is no object is said in
    /// place.
    pub fn named<T: ToSchema>(name: String) -> Component {
        let mut parts = Vec::new();
        T::schemas(&mut parts);
        let to_value = |schema| serde_json::to_value(schema).unwrap_or_default();
        let parts: BTreeMap<String, Value> =
            parts.into_iter().map(|(name, schema)| (name, to_value(schema))).collect();
        let own = flat(to_value(T::schema()), &parts);
        let mut schemas = BTreeMap::new();
        collect(&own, &parts, &mut schemas);
        schemas.insert(name.clone(), own);
        Component { name, schemas }
    }

    /// Adds what it refers to.
    #[must_use]
    pub fn with(mut self, other: &Component) -> Component {
        self.schemas.extend(other.schemas.iter().map(|(name, schema)| (name.clone(), schema.clone())));
        self
    }

    /// Says which properties requests cannot set: all but these.
    #[must_use]
    pub fn writable(mut self, fields: &[Field]) -> Component {
        let Some(schema) = self.schemas.get_mut(&self.name) else { return self };
        let is_required =
            |name: &&Value| fields.iter().any(|field| field.required && Some(field.name) == name.as_str());
        let required: Vec<Value> =
            schema["required"].as_array().into_iter().flatten().filter(is_required).cloned().collect();
        schema["required"] = required.into();
        for (name, property) in schema["properties"].as_object_mut().into_iter().flatten() {
            if !fields.iter().any(|field| field.name == name) && property.get("$ref").is_none() {
                property["readOnly"] = true.into();
            }
        }
        self
    }

    /// A reference to it.
    pub fn reference(&self) -> RefOr<Schema> {
        Ref::from_schema_name(&self.name).into()
    }

    /// A page of a list of it (R09).
    pub fn page(&self) -> Component {
        let url = || text(Some("uri"));
        let schema = ObjectBuilder::new()
            .property("count", ObjectBuilder::new().schema_type(Type::Integer))
            .property("next", nullable(url()))
            .property("previous", nullable(url()))
            .property("results", ArrayBuilder::new().items(self.reference()))
            .required("count")
            .required("results");
        Component::new(format!("Paginated{}List", self.name), Schema::from(schema)).with(self)
    }
}

/// A schema without `allOf` of flattened structs, and without references to what is no object.
fn flat(schema: Value, parts: &BTreeMap<String, Value>) -> Value {
    match schema {
        Value::Object(mut object) => {
            if let Some(part) = object.get("$ref").and_then(|path| target(path, parts)) {
                if part.get("properties").is_none()
                    && part.get("enum").is_none()
                    && part.get("allOf").is_none()
                {
                    return described(flat(part.clone(), parts), &object);
                }
                return Value::Object(object);
            }
            if let Some(Value::Array(pieces)) = object.remove("allOf") {
                let whole = described(json!({"type": "object"}), &object);
                return pieces.into_iter().fold(whole, |whole, piece| {
                    let piece =
                        piece.get("$ref").and_then(|path| target(path, parts)).cloned().unwrap_or(piece);
                    merged(whole, flat(piece, parts))
                });
            }
            if let Some(Value::Array(choices)) = object.get("oneOf")
                && let [first, second] = choices.as_slice()
                && let Some(other) = other_than_null(first, second)
            {
                let other = flat(other.clone(), parts);
                if let Some(kind) = other.get("type").filter(|kind| kind.is_string()).cloned() {
                    let mut other = described(other, &object);
                    other["type"] = json!([kind, "null"]);
                    return other;
                }
            }
            Value::Object(object.into_iter().map(|(key, value)| (key, flat(value, parts))).collect())
        }
        Value::Array(values) => values.into_iter().map(|value| flat(value, parts)).collect(),
        other => other,
    }
}

/// Of two alternatives, the one beside null.
fn other_than_null<'a>(first: &'a Value, second: &'a Value) -> Option<&'a Value> {
    match (first["type"] == "null", second["type"] == "null") {
        (true, false) => Some(second),
        (false, true) => Some(first),
        _ => None,
    }
}

/// The description of a property goes before that of its type.
fn described(mut schema: Value, property: &Map<String, Value>) -> Value {
    if let Some(description) = property.get("description") {
        schema["description"] = description.clone();
    }
    schema
}

fn merged(mut whole: Value, piece: Value) -> Value {
    for key in ["properties", "required"] {
        match (piece.get(key), whole.get_mut(key)) {
            (Some(Value::Object(more)), Some(Value::Object(all))) => all.extend(more.clone()),
            (Some(Value::Array(more)), Some(Value::Array(all))) => all.extend(more.clone()),
            (Some(more), None) => whole[key] = more.clone(),
            _ => {}
        }
    }
    whole
}

fn target<'a>(path: &Value, parts: &'a BTreeMap<String, Value>) -> Option<&'a Value> {
    parts.get(path.as_str()?.strip_prefix("#/components/schemas/")?)
}

/// Collects the schemas that a schema refers to.
fn collect(schema: &Value, parts: &BTreeMap<String, Value>, into: &mut BTreeMap<String, Value>) {
    match schema {
        Value::Object(object) => {
            if let Some(name) = object.get("$ref").and_then(Value::as_str)
                && let Some(name) = name.strip_prefix("#/components/schemas/")
                && let Some(part) = parts.get(name)
                && !into.contains_key(name)
            {
                let part = flat(part.clone(), parts);
                into.insert(name.to_owned(), part.clone());
                collect(&part, parts, into);
            }
            object.values().for_each(|value| collect(value, parts, into));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, parts, into)),
        _ => {}
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Component({})", self.name)
    }
}

/// A schema of a type, with a format.
pub fn simple(kind: Type, format: Option<&str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind).format(format.map(|name| match name {
        "int64" => SchemaFormat::KnownFormat(KnownFormat::Int64),
        "date-time" => SchemaFormat::KnownFormat(KnownFormat::DateTime),
        "double" => SchemaFormat::KnownFormat(KnownFormat::Double),
        other => SchemaFormat::Custom(other.to_owned()),
    }))
}

/// Text, with a format.
pub fn text(format: Option<&str>) -> ObjectBuilder {
    simple(Type::String, format)
}

/// The same, or null.
pub fn nullable(schema: ObjectBuilder) -> Schema {
    let mut object = schema.build();
    if let SchemaType::Type(kind) = object.schema_type.clone() {
        object.schema_type = SchemaType::from_iter([kind, Type::Null]);
    }
    object.into()
}

/// A list of something.
pub fn list(items: impl Into<RefOr<Schema>>) -> Schema {
    let items: RefOr<Schema> = items.into();
    ArrayBuilder::new().items(items).into()
}

/// A parameter of the query with one value.
pub fn query(name: impl Into<String>, schema: ObjectBuilder, description: &str) -> Parameter {
    parameter(name, ParameterIn::Query, schema.into(), description).build()
}

/// A parameter of the query with values separated by commas.
pub fn query_list(name: impl Into<String>, items: ObjectBuilder, description: &str) -> Parameter {
    parameter(name, ParameterIn::Query, list(Schema::from(items)), description)
        .style(Some(ParameterStyle::Form))
        .explode(Some(false))
        .build()
}

/// A header.
pub fn header(name: &str, required: bool, schema: Schema, description: &str) -> Parameter {
    let required = if required { Required::True } else { Required::False };
    parameter(name, ParameterIn::Header, schema, description).required(required).build()
}

/// A segment, or a whole href, of the path.
pub fn path(name: &str) -> Parameter {
    parameter(name, ParameterIn::Path, text(None).into(), "").required(Required::True).build()
}

/// `fields` and `exclude_fields` (R11).
pub fn field_selection() -> [Parameter; 2] {
    let list = || list(Schema::from(text(None)));
    [
        parameter("fields", ParameterIn::Query, list(), "A list of fields to include in the response.")
            .build(),
        parameter(
            "exclude_fields",
            ParameterIn::Query,
            list(),
            "A list of fields to exclude from the response.",
        )
        .build(),
    ]
}

fn parameter(
    name: impl Into<String>,
    place: ParameterIn,
    schema: Schema,
    description: &str,
) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
}
