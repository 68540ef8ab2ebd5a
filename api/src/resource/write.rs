//! Creation, change and deletion of objects: at once where no task can be using them, else in a task.

use std::sync::Arc;

use entities::row::{self, Row, RowId};
use entities::scope::KeyOf;
use entities::{Id, db};
use http::{Method, StatusCode};
use sea_orm::{EntityTrait, PrimaryKeyTrait, TryGetable};
use serde::Serialize;
use serde_json::{Value, json};
use tasking::tasks::general;
use uuid::Uuid;

use super::change::{Change, checked};
use super::{Resource, sharing};
use crate::endpoint::Media;
use crate::field::{Mode, Values, request_component};
use crate::view::View;
use crate::{Endpoint, Error, Request, Response, Result, response};

/// When a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    AtOnce,
    InTask,
}

/// The operation that creates an object at once: 201.
pub fn create<V: View>(resource: &Arc<Resource<V>>) -> Endpoint
where
    KeyOf<V::Entity>: TryGetable + Copy + Send + Sync + Into<sea_orm::Value>,
{
    creation(resource, Media::Fields, async |resource, mut request| {
        let row = new_row(&resource, &mut request).await?;
        insert(&resource, &request, row).await
    })
    .answer(StatusCode::CREATED, resource.component())
}

/// The operation that creates an object in a task: 202. The object needs a UUID, which the task locks
/// beforehand.
pub fn create_in_task<V: View>(resource: &Arc<Resource<V>>) -> Endpoint
where
    <V::Entity as EntityTrait>::PrimaryKey: PrimaryKeyTrait<ValueType = Uuid>,
{
    creation(resource, Media::Fields, async |resource, mut request| {
        let row = new_row(&resource, &mut request).await?;
        request.dispatch(&general::Create::new(resource.kind, Uuid::now_v7(), row)).await
    })
    .answer_task()
}

/// The operation that creates objects in the way of a handler, from the fields of the resource; what it
/// returns is still to be said.
pub fn creation<V, F, Answer>(resource: &Arc<Resource<V>>, media: Media, handler: F) -> Endpoint
where
    V: View,
    F: Fn(Arc<Resource<V>>, Request) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Result<Response>> + Send + 'static,
{
    let operation = format!("{}_create", resource.operation);
    let endpoint = Endpoint::new(
        Method::POST,
        resource.path.clone(),
        operation,
        resource.tag.clone(),
        resource.permission("add"),
        sharing(resource, handler),
    );
    let endpoint = endpoint
        .summary(format!("Create {}", resource.kind.a_noun()))
        .body(media, request_component(&resource.schema, &resource.fields, Mode::Whole));
    match &resource.list_template {
        Some(template) => endpoint.template(template.clone()),
        None => endpoint,
    }
}

/// PUT and PATCH of an object at once: 200 with the object.
pub fn updates<V: View>(resource: &Arc<Resource<V>>) -> [Endpoint; 2]
where
    <V::Entity as EntityTrait>::Model: Serialize,
    KeyOf<V::Entity>: TryGetable + Copy + Send + Sync + Into<sea_orm::Value> + Into<RowId>,
{
    [Mode::Whole, Mode::Partial].map(|mode| update(resource, mode, When::AtOnce))
}

/// PUT and PATCH of an object in a task: 202, or 200 with the object if nothing changes (R29).
pub fn updates_in_task<V: View>(resource: &Arc<Resource<V>>) -> [Endpoint; 2]
where
    <V::Entity as EntityTrait>::Model: Serialize,
    KeyOf<V::Entity>: TryGetable + Copy + Send + Sync + Into<sea_orm::Value> + Into<RowId>,
{
    [Mode::Whole, Mode::Partial].map(|mode| update(resource, mode, When::InTask).answer_task())
}

fn update<V: View>(resource: &Arc<Resource<V>>, mode: Mode, when: When) -> Endpoint
where
    <V::Entity as EntityTrait>::Model: Serialize,
    KeyOf<V::Entity>: TryGetable + Copy + Send + Sync + Into<sea_orm::Value> + Into<RowId>,
{
    let handler = sharing(resource, move |resource: Arc<Resource<V>>, mut request: Request| async move {
        change(&resource, &mut request, mode, when).await
    });
    let (method, verb) = match mode {
        Mode::Whole => (Method::PUT, "update"),
        Mode::Partial => (Method::PATCH, "partial_update"),
    };
    resource
        .action(method, "", verb, resource.permission("change"), handler)
        .summary(format!("Update {}", resource.kind.a_noun()))
        .body(Media::Fields, request_component(&resource.schema, &resource.fields, mode))
        .answer(StatusCode::OK, resource.component())
}

/// The operation that deletes an object at once: 204.
pub fn destroy<V: View>(resource: &Arc<Resource<V>>) -> Endpoint
where
    KeyOf<V::Entity>: TryGetable + Copy + Send + Sync + Into<RowId>,
{
    let handler = sharing(resource, async |resource: Arc<Resource<V>>, request: Request| {
        let id: Id<V::Entity> = resource.id(&request).await?;
        match row::delete(request.db(), resource.kind, request.scope.domain(), id.key().into()).await? {
            true => Ok(response::empty(StatusCode::NO_CONTENT)),
            false => Err(resource.missing(&request.path)),
        }
    });
    deletion(resource, handler).answer_empty(StatusCode::NO_CONTENT)
}

/// The operation that deletes an object in a task: 202.
pub fn destroy_in_task<V: View>(resource: &Arc<Resource<V>>) -> Endpoint
where
    KeyOf<V::Entity>: TryGetable + Copy + Send + Sync + Into<RowId>,
{
    let handler = sharing(resource, async |resource: Arc<Resource<V>>, request: Request| {
        let id: Id<V::Entity> = resource.id(&request).await?;
        request.dispatch(&general::Delete::new(resource.kind, id.key().into())).await
    });
    deletion(resource, handler).answer_task()
}

fn deletion<V, F, Answer>(resource: &Resource<V>, handler: F) -> Endpoint
where
    V: View,
    F: Fn(Request) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Result<Response>> + Send + 'static,
{
    resource
        .action(Method::DELETE, "", "delete", resource.permission("delete"), handler)
        .summary(format!("Delete {}", resource.kind.a_noun()))
}

async fn new_row<V: View>(resource: &Resource<V>, request: &mut Request) -> Result<Row> {
    let parent = match &resource.parent {
        Some(parent) => Some((parent.column.to_owned(), json!(parent.id(request).await?))),
        None => None,
    };
    let form = request.fields().await?;
    let values = Values::read(&request.reader(), &resource.fields, &form, Mode::Whole).await?;
    let mut changes = values.columns(&resource.fields);
    changes.extend(parent);
    let change = Change { reader: request.reader(), id: None, current: Row::new(), changes };
    checked(resource, request, change).await
}

async fn insert<V: View>(resource: &Resource<V>, request: &Request, row: Row) -> Result<Response>
where
    KeyOf<V::Entity>: TryGetable + Copy + Send + Sync + Into<sea_orm::Value>,
{
    let txn = db::begin(request.db()).await?;
    let id = row::insert(&txn, resource.kind, &request.scope, None, row).await?;
    txn.commit().await?;
    let body = resource.body_of(request, id).await?;
    let answer = response::json(StatusCode::CREATED, &body)?;
    Ok(response::at(answer, &format!("{}{id}/", request.path)))
}

async fn change<V: View>(
    resource: &Resource<V>,
    request: &mut Request,
    mode: Mode,
    when: When,
) -> Result<Response>
where
    <V::Entity as EntityTrait>::Model: Serialize,
    KeyOf<V::Entity>: TryGetable + Copy + Send + Sync + Into<sea_orm::Value> + Into<RowId>,
{
    let id: RowId = resource.id(request).await?.key().into();
    let current = match serde_json::to_value(resource.find(request).await?) {
        Ok(Value::Object(row)) => row,
        _ => return Err(Error::Internal(anyhow::anyhow!("a row of {} is no object", resource.kind.table))),
    };
    let form = request.fields().await?;
    let values = Values::read(&request.reader(), &resource.fields, &form, mode).await?;
    let changes = values.columns(&resource.fields);
    let change = Change { reader: request.reader(), id: Some(id), current, changes };
    let changes = checked(resource, request, change).await?;
    let (kind, domain) = (resource.kind, request.scope.domain());
    let same = row::is_same(request.db(), kind, domain, id, &changes).await?;
    match (same, when) {
        (None, _) => return Err(resource.missing(&request.path)),
        (Some(false), When::InTask) => {
            return request.dispatch(&general::Update::new(kind, id, changes)).await;
        }
        (Some(false), When::AtOnce) => {
            let txn = db::begin(request.db()).await?;
            row::update(&txn, kind, domain, id, changes).await?;
            txn.commit().await?;
        }
        (Some(true), _) => {}
    }
    response::json(StatusCode::OK, &resource.body_of(request, id).await?)
}
