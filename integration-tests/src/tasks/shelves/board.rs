//! Boards: objects below a shelf, in which they are created.

use std::sync::Arc;

use entities::Result;
use plugin::Endpoint;
use plugin::api::field::{Field, Integer};
use plugin::api::resource::{self, Resource};
use plugin::api::view::Link;
use plugin::api::{Reader, View};
use serde::Serialize;
use utoipa::ToSchema;

use super::entities::board::{Column, Entity, Model};
use super::entities::furniture;
use super::{BOARD, SHELF};

#[derive(Serialize, ToSchema)]
struct Body {
    pulp_href: Link,
    height: i32,
}

struct Boards;

impl View for Boards {
    type Entity = Entity;
    type Row = Model;
    type Body = Body;

    async fn show(rows: Vec<Model>, reader: &Reader<'_>) -> Result<Vec<Body>> {
        let path = |row: &Model| format!("{}/{}/boards/{}/", SHELF.path, row.shelf_id, row.pulp_id);
        let show = |row: Model| Body { pulp_href: Link(reader.links.path(&path(&row))), height: row.height };
        Ok(rows.into_iter().map(show).collect())
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let height = Integer { low: Some(1), high: Some(300) };
    let fields = vec![Field::new("height", height).required()];
    let boards = Resource::<Boards> { fields, ..Resource::new(&BOARD) };
    let boards = boards.below::<furniture::Entity>(&SHELF, "boards", Column::ShelfId);
    let boards = Arc::new(boards.ordered_by([("height", Column::Height)]));
    let mut endpoints = vec![
        resource::list(&boards),
        resource::read(&boards),
        resource::create(&boards),
        resource::destroy(&boards),
    ];
    endpoints.extend(resource::updates(&boards));
    endpoints
}
