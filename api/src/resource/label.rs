//! `set_label` and `unset_label`: one label at a time, at once (R22); for any table with a column
//! `pulp_labels`.

use std::sync::Arc;

use entities::row::{self, RowId, Unset};
use entities::scope::KeyOf;
use http::{Method, StatusCode};
use sea_orm::TryGetable;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Resource, sharing};
use crate::endpoint::Media;
use crate::field::{Field, Mode, Text, Values, request_component};
use crate::schema::Component;
use crate::view::View;
use crate::{Endpoint, Error, Request, Response, Result, labels as rules, response};

/// A label.
#[derive(Debug, Serialize, ToSchema)]
struct Label {
    /// Its name.
    key: String,
    /// Its value, or the value that it had.
    #[schema(value_type = Option<String>)]
    value: Value,
}

/// Both operations.
pub fn labels<V: View>(resource: &Arc<Resource<V>>) -> [Endpoint; 2]
where
    KeyOf<V::Entity>: TryGetable + Copy + Send + Sync + Into<RowId>,
{
    let set =
        sharing(resource, async |resource: Arc<Resource<V>>, request: Request| set(&resource, request).await);
    let unset = sharing(resource, async |resource: Arc<Resource<V>>, request: Request| {
        unset(&resource, request).await
    });
    let noun = resource.kind.a_noun();
    [
        resource
            .action(Method::POST, "set_label/", "set_label", resource.permission("change"), set)
            .summary(format!("Set a label of {noun}"))
            .body(Media::Fields, request_component("SetLabel", &set_fields(), Mode::Whole))
            .answer(StatusCode::CREATED, component("SetLabelResponse", &set_fields())),
        resource
            .action(Method::POST, "unset_label/", "unset_label", resource.permission("change"), unset)
            .summary(format!("Remove a label of {noun}"))
            .body(Media::Fields, request_component("UnsetLabel", &unset_fields(), Mode::Whole))
            .answer(StatusCode::CREATED, component("UnsetLabelResponse", &unset_fields())),
    ]
}

fn component(name: &str, fields: &[Field]) -> Component {
    Component::named::<Label>(name.to_owned()).writable(fields)
}

fn unset_fields() -> Vec<Field> {
    vec![Field::text("key").required()]
}

fn set_fields() -> Vec<Field> {
    vec![Field::text("key").required(), Field::new("value", Text::or_blank()).required().nullable()]
}

async fn set<V: View>(resource: &Resource<V>, mut request: Request) -> Result<Response>
where
    KeyOf<V::Entity>: TryGetable + Copy + Send + Sync + Into<RowId>,
{
    let id = resource.id(&request).await?.key().into();
    let form = request.fields().await?;
    let values = Values::read(&request.reader(), &set_fields(), &form, Mode::Whole).await?;
    let key = values.text("key").unwrap_or_default().to_owned();
    let value = values.get("value").cloned().unwrap_or_default();
    rules::check_key(&key).map_err(|message| Error::field("key", message))?;
    if let Value::String(text) = &value {
        rules::check_value(&key, text).map_err(|message| Error::field("value", message))?;
    }
    let domain = request.scope.domain();
    match row::set_label(request.db(), resource.kind, domain, id, (&key, &value)).await? {
        true => response::json(StatusCode::CREATED, &Label { key, value }),
        false => Err(resource.missing(&request.path)),
    }
}

async fn unset<V: View>(resource: &Resource<V>, mut request: Request) -> Result<Response>
where
    KeyOf<V::Entity>: TryGetable + Copy + Send + Sync + Into<RowId>,
{
    let id = resource.id(&request).await?.key().into();
    let form = request.fields().await?;
    let values = Values::read(&request.reader(), &unset_fields(), &form, Mode::Whole).await?;
    let key = values.text("key").unwrap_or_default().to_owned();
    let domain = request.scope.domain();
    match row::unset_label(request.db(), resource.kind, domain, id, &key).await? {
        Unset::Label(value) => response::json(StatusCode::CREATED, &Label { key, value: value.into() }),
        Unset::Nothing => Err(Error::field("key", format!("Label with key '{key}' does not exist."))),
        Unset::NoRow => Err(resource.missing(&request.path)),
    }
}
