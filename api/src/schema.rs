//! Named schemas of the API document, and the parameters that many operations share.

use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{
    ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr, Required};

/// A schema under its name in the document, with those it refers to.
#[derive(Clone)]
pub struct Component {
    /// Its name, which clients see as a class.
    pub name: String,
    /// Itself, then what it refers to.
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

impl Component {
    /// A schema made by hand.
    pub fn new(name: impl Into<String>, schema: impl Into<RefOr<Schema>>) -> Component {
        let name = name.into();
        Component { schemas: vec![(name.clone(), schema.into())], name }
    }

    /// The schema of a type.
    pub fn of<T: ToSchema>() -> Component {
        let name = T::name().into_owned();
        let mut schemas = vec![(name.clone(), T::schema())];
        T::schemas(&mut schemas);
        Component { name, schemas }
    }

    /// Adds what it refers to.
    #[must_use]
    pub fn with(mut self, other: &Component) -> Component {
        self.schemas.extend(other.schemas.iter().cloned());
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

/// Makes a component; a function, so that what holds one is cheap to clone.
pub type ComponentRef = fn() -> Component;

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
