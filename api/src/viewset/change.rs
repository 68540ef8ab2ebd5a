//! Making, changing and deleting objects: at once where nobody else can be using them, else in a task.

use std::sync::Arc;

use entities::db;
use http::{Method, StatusCode};
use sea_orm::ConnectionTrait;
use serde_json::{Map, Value};
use tasking::tasks::general;
use uuid::Uuid;

use super::{Change, Viewset};
use crate::endpoint::Media;
use crate::field::check::{Mode, Values};
use crate::field::{Shape, Store, write_component};
use crate::request::AsyncOperationResponse;
use crate::schema::Component;
use crate::{Endpoint, Error, Request, Response, Result, response};

/// The operation that makes an object at once: 201.
pub fn create(viewset: &Arc<Viewset>) -> Endpoint {
    let shared = viewset.clone();
    let handler = move |mut request: Request| {
        let viewset = shared.clone();
        async move {
            let row = new_row(&viewset, &mut request).await?;
            let id = insert(&viewset, &request, row).await?;
            let body = viewset.show_by_id(&request.context, id).await?;
            Ok(response::created(viewset.kind.href(id).as_str(), body))
        }
    };
    creation(viewset, handler).answer(StatusCode::CREATED, viewset.component())
}

/// The operation that makes an object in a task: 202.
pub fn create_in_task(viewset: &Arc<Viewset>) -> Endpoint {
    let shared = viewset.clone();
    let handler = move |mut request: Request| {
        let viewset = shared.clone();
        async move {
            let row = new_row(&viewset, &mut request).await?;
            let (table, pulp_type) = names(&viewset);
            let task = general::Create { table, pulp_type, id: Uuid::now_v7(), row };
            request.dispatch(&task).await
        }
    };
    creation(viewset, handler).answer(StatusCode::ACCEPTED, Component::of::<AsyncOperationResponse>())
}

fn creation<F, Answer>(viewset: &Viewset, handler: F) -> Endpoint
where
    F: Fn(Request) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Result<Response>> + Send + 'static,
{
    let operation = format!("{}_create", viewset.operation);
    Endpoint::new(Method::POST, viewset.path.clone(), operation, viewset.tag, handler)
        .summary("Makes one.")
        .body(Media::Fields, write_component(viewset.schema, &viewset.fields, false))
}

/// PUT and PATCH: 202, or 200 with the object if nothing changes (R29).
pub fn updates(viewset: &Arc<Viewset>) -> [Endpoint; 2] {
    [update(viewset, Mode::Whole), update(viewset, Mode::Partial)]
}

fn update(viewset: &Arc<Viewset>, mode: Mode) -> Endpoint {
    let shared = viewset.clone();
    let handler = move |mut request: Request| {
        let viewset = shared.clone();
        async move { change(&viewset, &mut request, mode).await }
    };
    let (method, verb) = match mode {
        Mode::Whole => (Method::PUT, "update"),
        Mode::Partial => (Method::PATCH, "partial_update"),
    };
    let body = write_component(viewset.schema, &viewset.fields, mode == Mode::Partial);
    viewset
        .action(method, "", verb, handler)
        .summary("Changes one.")
        .body(Media::Fields, body)
        .answer(StatusCode::OK, viewset.component())
        .answer(StatusCode::ACCEPTED, Component::of::<AsyncOperationResponse>())
}

/// The operation that deletes an object in a task: 202.
pub fn destroy(viewset: &Arc<Viewset>) -> Endpoint {
    let shared = viewset.clone();
    let handler = move |request: Request| {
        let viewset = shared.clone();
        async move {
            let id = request.id()?;
            find(&viewset, &request, id).await?;
            let (table, pulp_type) = names(&viewset);
            request.dispatch(&general::Delete { table, pulp_type, id }).await
        }
    };
    viewset
        .action(Method::DELETE, "", "delete", handler)
        .summary("Deletes one.")
        .answer(StatusCode::ACCEPTED, Component::of::<AsyncOperationResponse>())
}

/// The row of an object of the request's domain, by its id: columns and values.
pub async fn find(viewset: &Viewset, request: &Request, id: Uuid) -> Result<Map<String, Value>> {
    let sql = format!(
        "SELECT to_jsonb(t) AS row FROM {} AS t WHERE t.pulp_id = $1 AND t.pulp_domain_id = $2
         AND coalesce(to_jsonb(t) ->> 'pulp_type', $3) = $3",
        viewset.kind.table
    );
    let values = [id.into(), request.domain().into(), viewset.kind.pulp_type.into()];
    let row = request.context.pulp.db.query_one_raw(db::sql(&sql, values)).await?;
    let row = row.ok_or_else(|| Error::not_found(viewset.kind.model, id))?;
    match row.try_get("", "row")? {
        Value::Object(row) => Ok(row),
        _ => Err(Error::Internal(anyhow::anyhow!("a row is no object"))),
    }
}

async fn new_row(viewset: &Viewset, request: &mut Request) -> Result<Map<String, Value>> {
    let form = request.fields().await?;
    let (context, domain) = (&request.context, request.domain());
    let values = Values::read(context, domain, &viewset.fields, &form).await?;
    let changes = values.columns(&viewset.fields);
    let mut change = Change { context, domain, id: None, current: Map::new(), changes };
    check(viewset, &change).await?;
    seal(viewset, &mut change)?;
    Ok(change.changes)
}

async fn insert(viewset: &Viewset, request: &Request, mut row: Map<String, Value>) -> Result<Uuid> {
    let id = Uuid::now_v7();
    row.insert("pulp_id".into(), id.to_string().into());
    row.insert("pulp_domain_id".into(), request.domain().to_string().into());
    if viewset.kind.pulp_type != viewset.kind.model {
        row.insert("pulp_type".into(), viewset.kind.pulp_type.into());
    }
    let columns: Vec<&str> = row.keys().map(String::as_str).collect();
    let columns = columns.join(", ");
    let table = viewset.kind.table;
    let sql = format!(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1)"
    );
    let inserted = request.context.pulp.db.execute_raw(db::sql(&sql, [Value::Object(row).into()])).await;
    inserted.map_err(|error| taken(viewset, error.into()))?;
    Ok(id)
}

/// A name that was taken between the check and the insertion.
fn taken(viewset: &Viewset, error: Error) -> Error {
    let Error::Conflict(detail) = &error else { return error };
    let field = viewset.fields.iter().find(|field| field.unique && detail.contains(field.name));
    match field {
        Some(field) => Error::field(field.name, "This field must be unique."),
        None => error,
    }
}

async fn change(viewset: &Viewset, request: &mut Request, mode: Mode) -> Result<Response> {
    let id = request.id()?;
    let mut current = find(viewset, request, id).await?;
    let form = request.fields().await?;
    let (context, domain) = (&request.context, request.domain());
    let values = Values::read_as(context, domain, &viewset.fields, &form, mode).await?;
    let mut changes = values.columns(&viewset.fields);
    let given_details = changes.get("details").cloned();
    if let (Some(Value::Object(new)), Some(Value::Object(old))) =
        (changes.get_mut("details"), current.get_mut("details"))
    {
        let mut details = old.clone();
        details.append(new);
        *new = details;
    }
    let mut change = Change { context, domain, id: Some(id), current, changes };
    check(viewset, &change).await?;
    seal(viewset, &mut change)?;
    let mut changes = change.changes;
    if is_same(viewset, request, id, &changes).await? {
        return Ok(response::json_text(StatusCode::OK, viewset.show_by_id(&request.context, id).await?));
    }
    // The task merges what was given into what is there by then: of two changes at the same time, both count.
    if let Some(details) = given_details {
        changes.insert("details".to_owned(), details);
    }
    let (table, pulp_type) = names(viewset);
    request.dispatch(&general::Update { table, pulp_type, id, changes }).await
}

async fn check(viewset: &Viewset, change: &Change<'_>) -> Result<()> {
    let mut errors = entities::error::FieldErrors::new();
    for field in viewset.fields.iter().filter(|field| field.unique) {
        let Some(Value::String(value)) = change.changes.get(field.name) else { continue };
        let sql = format!(
            "SELECT 1 AS found FROM {} WHERE pulp_domain_id = $1 AND {} = $2 AND pulp_id IS DISTINCT FROM $3",
            viewset.kind.table, field.name
        );
        let values = [change.domain.into(), value.as_str().into(), change.id.into()];
        if change.context.pulp.db.query_one_raw(db::sql(&sql, values)).await?.is_some() {
            errors.insert(field.name.to_owned(), vec!["This field must be unique.".to_owned()]);
        }
    }
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    match viewset.rule {
        Some(rule) => rule(change).await,
        None => Ok(()),
    }
}

/// Encrypts new secrets, and drops those that are as they were: a token differs each time it is made.
fn seal(viewset: &Viewset, change: &mut Change<'_>) -> Result<()> {
    let keyring = &change.context.pulp.keyring;
    for field in viewset.fields.iter().filter(|field| matches!(field.shape, Shape::Secret)) {
        let Store::Column(column) = field.store else { continue };
        let Some(Value::String(secret)) = change.changes.get(column) else { continue };
        let known = match change.current.get(column) {
            Some(Value::String(token)) => Some(keyring.decrypt(token)?),
            _ => None,
        };
        if known.as_ref() == Some(secret) {
            change.changes.remove(column);
        } else {
            let token = keyring.encrypt(secret);
            change.changes.insert(column.to_owned(), token.into());
        }
    }
    Ok(())
}

async fn is_same(
    viewset: &Viewset,
    request: &Request,
    id: Uuid,
    changes: &Map<String, Value>,
) -> Result<bool> {
    let sql = format!(
        "SELECT jsonb_populate_record(t, $2) IS NOT DISTINCT FROM t AS same FROM {} AS t WHERE t.pulp_id = $1",
        viewset.kind.table
    );
    let values = [id.into(), Value::Object(changes.clone()).into()];
    match request.context.pulp.db.query_one_raw(db::sql(&sql, values)).await? {
        Some(row) => Ok(row.try_get("", "same")?),
        None => Err(Error::not_found(viewset.kind.model, id)),
    }
}

fn names(viewset: &Viewset) -> (String, String) {
    (viewset.kind.table.to_owned(), viewset.kind.pulp_type.to_owned())
}
