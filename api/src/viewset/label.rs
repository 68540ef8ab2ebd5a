//! `set_label` and `unset_label`: one label at a time, at once (R22).

use std::sync::Arc;

use entities::db;
use http::{Method, StatusCode};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::Viewset;
use crate::endpoint::Media;
use crate::field::{Field, Shape, Values, read_component, write_component};
use crate::{Endpoint, Error, Request, Response, Result, labels as rules, response};

/// Both operations.
pub fn labels(viewset: &Arc<Viewset>) -> [Endpoint; 2] {
    let key = || Field { output: Some(String::new()), ..Field::text("key").required() };
    let value = || Field { output: Some(String::new()), ..Field::text("value").required().nullable() };
    let setting = vec![key(), value()];
    let unset = vec![key(), Field::shown("value", Shape::Text(None), "")];
    [
        endpoint(viewset, "SetLabel", "set_label", "Sets a label.", setting),
        endpoint(viewset, "UnsetLabel", "unset_label", "Removes a label.", unset),
    ]
}

fn endpoint(
    viewset: &Arc<Viewset>,
    name: &'static str,
    verb: &'static str,
    summary: &str,
    fields: Vec<Field>,
) -> Endpoint {
    let body = write_component(name, &fields, false);
    let answer = read_component(name, &fields);
    let shared = Arc::new((viewset.clone(), fields));
    let handler = move |mut request: Request| {
        let shared = shared.clone();
        async move {
            let form = request.fields().await?;
            let (viewset, fields) = shared.as_ref();
            let values = Values::read(&request.context, request.domain(), fields, &form).await?;
            let key = values.text("key").unwrap_or_default();
            match verb {
                "set_label" => set(viewset, &request, key, values.get("value").unwrap_or(&Value::Null)).await,
                _ => unset(viewset, &request, key).await,
            }
        }
    };
    viewset
        .action(Method::POST, &format!("{verb}/"), verb, handler)
        .summary(summary)
        .body(Media::Fields, body)
        .answer(StatusCode::CREATED, answer)
}

async fn set(viewset: &Viewset, request: &Request, key: &str, value: &Value) -> Result<Response> {
    rules::check_key(key).map_err(|message| Error::field("key", message))?;
    if let Value::String(text) = value {
        rules::check_value(key, text).map_err(|message| Error::field("value", message))?;
    }
    let sql = format!(
        "UPDATE {} SET pulp_labels = pulp_labels || $4
         WHERE pulp_id = $1 AND pulp_domain_id = $2 AND pulp_type = $3",
        viewset.kind.table
    );
    let id = request.id()?;
    let values =
        [id.into(), request.domain().into(), viewset.kind.pulp_type.into(), json!({key: value}).into()];
    let updated = request.context.pulp.db.execute_raw(db::sql(&sql, values)).await?;
    if updated.rows_affected() == 0 {
        return Err(Error::not_found(viewset.kind.model, id));
    }
    response::json(StatusCode::CREATED, &json!({"key": key, "value": value}))
}

async fn unset(viewset: &Viewset, request: &Request, key: &str) -> Result<Response> {
    let table = viewset.kind.table;
    let sql = format!(
        "WITH old AS MATERIALIZED (
             SELECT pulp_id, pulp_labels ->> $4 AS value FROM {table}
             WHERE pulp_id = $1 AND pulp_domain_id = $2 AND pulp_type = $3 FOR UPDATE)
         UPDATE {table} SET pulp_labels = pulp_labels - $4 FROM old
         WHERE {table}.pulp_id = old.pulp_id RETURNING old.value"
    );
    let id = request.id()?;
    let values = [id.into(), request.domain().into(), viewset.kind.pulp_type.into(), key.into()];
    let row = request.context.pulp.db.query_one_raw(db::sql(&sql, values)).await?;
    let row = row.ok_or_else(|| Error::not_found(viewset.kind.model, id))?;
    let value: Option<String> = row.try_get("", "value")?;
    response::json(StatusCode::CREATED, &json!({"key": key, "value": value}))
}
