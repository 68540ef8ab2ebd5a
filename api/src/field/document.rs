//! What the API document says of fields.

use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema};
use utoipa::openapi::{RefOr, Type};

use super::{Field, Shape};
use crate::schema::{Component, list, nullable, simple, text};

/// The schema of what requests hold; in a PATCH nothing is required.
pub fn write_component(name: &str, fields: &[Field], partial: bool) -> Component {
    let name = if partial { format!("Patched{name}") } else { name.to_owned() };
    component(name, fields.iter().filter(|field| field.writable), !partial, true)
}

/// The schema of what answers show.
pub fn read_component(name: &str, fields: &[Field]) -> Component {
    component(format!("{name}Response"), fields.iter().filter(|field| field.output.is_some()), true, false)
}

fn component<'a>(
    name: String,
    fields: impl Iterator<Item = &'a Field>,
    requires: bool,
    is_request: bool,
) -> Component {
    let mut object = ObjectBuilder::new();
    let mut nested = Vec::new();
    for field in fields {
        let (schema, component) = property(field, is_request);
        object = object.property(field.name, schema);
        nested.extend(component);
        if requires && field.required {
            object = object.required(field.name);
        }
    }
    nested.iter().fold(Component::new(name, Schema::from(object)), |component, part| component.with(part))
}

fn property(field: &Field, is_request: bool) -> (RefOr<Schema>, Option<Component>) {
    let finish = |mut schema: ObjectBuilder| -> RefOr<Schema> {
        if !field.writable {
            schema = schema.read_only(true);
        } else if field.output.is_none() {
            schema = schema.write_only(true);
        }
        schema = schema.default(field.default.clone());
        if field.nullable { nullable(schema).into() } else { Schema::from(schema).into() }
    };
    let schema = match &field.shape {
        Shape::Text(limit) => {
            let schema = text(None).max_length(*limit);
            finish(if is_request { schema.min_length(Some(1)) } else { schema })
        }
        Shape::Secret => finish(text(None).min_length(Some(1))),
        Shape::Integer(low, high) => {
            finish(simple(Type::Integer, Some("int64")).minimum(*low).maximum(*high))
        }
        Shape::Number(low) => finish(simple(Type::Number, Some("double")).minimum(*low)),
        Shape::Boolean => finish(simple(Type::Boolean, None)),
        Shape::Time => finish(text(Some("date-time"))),
        Shape::Choice(name, words) => {
            let words = text(None).enum_values(Some(words.iter().copied()));
            let component = Component::new(*name, Schema::from(words));
            let schema = AllOfBuilder::new().item(component.reference()).default(field.default.clone());
            return (Schema::from(schema.build()).into(), Some(component));
        }
        Shape::Labels => {
            let value = nullable(text(None));
            finish(ObjectBuilder::new().additional_properties(Some(value)))
        }
        Shape::Maps => list(Schema::from(ObjectBuilder::new())).into(),
        Shape::Texts => list(Schema::from(text(None))).into(),
        Shape::Reference(_) | Shape::Object(_) | Shape::Version => finish(text(Some("uri"))),
        Shape::File => finish(text(Some("binary"))),
        Shape::Any => utoipa::openapi::schema::empty().into(),
        Shape::Map => finish(ObjectBuilder::new()),
        Shape::Hrefs => list(Schema::from(text(Some("uri")))).into(),
        Shape::Hidden => {
            let item = ObjectBuilder::new()
                .property("name", text(None))
                .property("is_set", simple(Type::Boolean, None))
                .required("is_set")
                .required("name");
            list(Schema::from(item)).into()
        }
        Shape::Components(component) => {
            let component = component();
            return (list(component.reference()).into(), Some(component));
        }
        Shape::Component(component) => {
            let component = component();
            let schema = AllOfBuilder::new().item(component.reference()).build();
            return (Schema::from(schema).into(), Some(component));
        }
    };
    (schema, None)
}
