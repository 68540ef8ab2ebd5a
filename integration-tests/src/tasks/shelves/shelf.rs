//! Shelves: integer keys, changes at once, a table of their own, and fields of all sorts.

use std::sync::Arc;

use entities::{Result, kind, repository};
use http::{Method, StatusCode};
use plugin::Endpoint;
use plugin::api::endpoint::Media;
use plugin::api::field::{Base64, Field, Integer, Nested, Reference, References};
use plugin::api::resource::{self, Resource, sharing};
use plugin::api::schema::Component;
use plugin::api::view::{Labels, Link, Time};
use plugin::api::{Reader, Request, Response, View, filter, response};
use plugin_file::kinds::REPOSITORY;
use sea_orm::{EntityTrait, FromQueryResult, JoinType, QuerySelect, Select};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::entities::furniture::{Column, Entity, Model};
use super::entities::shelf;
use super::{SHELF, creator};

/// Bytes that a note may have.
const NOTE: u64 = 1000;

#[derive(FromQueryResult)]
struct Row {
    #[sea_orm(nested)]
    furniture: Model,
    repositories: Vec<Uuid>,
    place: Option<Value>,
    picture: Option<String>,
    creator: Option<i32>,
}

#[derive(Serialize, ToSchema)]
struct Body {
    pulp_href: Link,
    pulp_created: Time,
    pulp_last_updated: Time,
    pulp_labels: Labels,
    name: String,
    repositories: Vec<Link>,
    #[schema(value_type = Option<Object>)]
    place: Option<Value>,
    picture: Option<String>,
    creator: Option<Link>,
}

struct Shelves;

impl View for Shelves {
    type Entity = Entity;
    type Row = Row;
    type Body = Body;

    fn select(rows: Select<Entity>) -> Select<Entity> {
        rows.columns([shelf::Column::Repositories, shelf::Column::Place, shelf::Column::Picture])
            .expr_as(creator(Column::Id), "creator")
    }

    async fn show(rows: Vec<Row>, reader: &Reader<'_>) -> Result<Vec<Body>> {
        let links = reader.links;
        let show = |row: Row| Body {
            pulp_href: Link(links.href(&SHELF, row.furniture.id)),
            pulp_created: row.furniture.pulp_created.into(),
            pulp_last_updated: row.furniture.pulp_last_updated.into(),
            pulp_labels: Labels(row.furniture.pulp_labels),
            name: row.furniture.name,
            repositories: row.repositories.iter().map(|id| Link(links.href(&REPOSITORY, id))).collect(),
            place: row.place,
            picture: row.picture,
            creator: row.creator.map(|id| Link(links.href(&kind::USER, id))),
        };
        Ok(rows.into_iter().map(show).collect())
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let shelves = Arc::new(resource());
    let mut endpoints = vec![
        resource::list(&shelves),
        resource::read(&shelves),
        resource::create(&shelves),
        resource::destroy(&shelves),
        weighing(&shelves),
        noting(&shelves),
    ];
    endpoints.extend(resource::updates(&shelves));
    endpoints.extend(resource::labels(&shelves));
    endpoints
}

fn resource() -> Resource<Shelves> {
    let place = Nested {
        name: "ShelfPlace",
        fields: vec![
            Field::text("room").required(),
            Field::new("floor", Integer { low: Some(0), high: None }).default(0),
        ],
    };
    let fields = vec![
        Field::labels(),
        Field::text("name").required().unique(),
        Field::new("repositories", References(Reference::<repository::Entity>::of(&REPOSITORY)))
            .in_own_table(),
        Field::new("place", place).nullable().in_own_table(),
        Field::new("picture", Base64).nullable().in_own_table(),
    ];
    let mut filters = filter::names("name", Column::Name);
    filters.push(filter::label_select(Column::PulpLabels));
    Resource { fields, filters, ..Resource::new(&SHELF) }
        .with(|rows| {
            let own = Entity::belongs_to(shelf::Entity).from(Column::Id).to(shelf::Column::Id);
            rows.join(JoinType::InnerJoin, own.into())
        })
        .ordered_by([("name", Column::Name)])
}

/// Takes bytes of any number as they come, and says how many there were.
fn weighing(shelves: &Arc<Resource<Shelves>>) -> Endpoint {
    let handler = sharing(shelves, async |shelves: Arc<Resource<Shelves>>, mut request: Request| {
        shelves.id(&request).await?;
        let mut weight = 0;
        while let Some(bytes) = request.body.next().await? {
            weight += bytes.len();
        }
        response::json(StatusCode::OK, &json!({ "weight": weight }))
    });
    of_bytes(shelves, "weigh", handler)
}

/// Takes bytes up to a limit, and returns them.
fn noting(shelves: &Arc<Resource<Shelves>>) -> Endpoint {
    let handler = sharing(shelves, async |shelves: Arc<Resource<Shelves>>, mut request: Request| {
        shelves.id(&request).await?;
        let note = request.body.bytes(NOTE).await?;
        Ok::<Response, _>(response::with_type(StatusCode::OK, "text/plain", note))
    });
    of_bytes(shelves, "note", handler)
}

fn of_bytes<F, Answer>(shelves: &Resource<Shelves>, verb: &str, handler: F) -> Endpoint
where
    F: Fn(Request) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Result<Response>> + Send + 'static,
{
    let permission = shelves.permission("change");
    shelves
        .action(Method::POST, &format!("{verb}/"), verb, permission, handler)
        .body(Media::Bytes, Component::of_value("Bytes".to_owned(), json!({"type": "string"})))
        .answer_empty(StatusCode::OK)
}
