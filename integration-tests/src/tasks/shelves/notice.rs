//! Notices: created in a task, which calls the hook as well.

use std::sync::Arc;

use entities::{Result, kind};
use plugin::Endpoint;
use plugin::api::field::Field;
use plugin::api::resource::{self, Resource};
use plugin::api::view::Link;
use plugin::api::{Reader, View};
use sea_orm::{FromQueryResult, QuerySelect, Select};
use serde::Serialize;
use utoipa::ToSchema;

use super::entities::notice::{Column, Entity, Model};
use super::{NOTICE, creator};

#[derive(FromQueryResult)]
struct Row {
    #[sea_orm(nested)]
    notice: Model,
    creator: Option<i32>,
}

#[derive(Serialize, ToSchema)]
struct Body {
    pulp_href: Link,
    text: String,
    creator: Option<Link>,
}

struct Notices;

impl View for Notices {
    type Entity = Entity;
    type Row = Row;
    type Body = Body;

    fn select(rows: Select<Entity>) -> Select<Entity> {
        rows.expr_as(creator(Column::PulpId), "creator")
    }

    async fn show(rows: Vec<Row>, reader: &Reader<'_>) -> Result<Vec<Body>> {
        let show = |row: Row| Body {
            pulp_href: Link(reader.links.href(&NOTICE, row.notice.pulp_id)),
            text: row.notice.text,
            creator: row.creator.map(|id| Link(reader.links.href(&kind::USER, id))),
        };
        Ok(rows.into_iter().map(show).collect())
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let fields = vec![Field::text("text").required()];
    let notices = Arc::new(Resource::<Notices> { fields, ..Resource::new(&NOTICE) });
    vec![resource::list(&notices), resource::read(&notices), resource::create_in_task(&notices)]
}
