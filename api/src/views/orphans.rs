//! Orphan cleanup (P19, C30).

use entities::{Reference, content};
use http::Method;
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use serde_json::Value;
use tasking::tasks::orphan::Cleanup;
use uuid::Uuid;

use crate::endpoint::Media;
use crate::field::{Field, Integer, Mode, Texts, Values, request_component};
use crate::filter::bad_reference;
use crate::permission::Permission;
use crate::{Endpoint, Error, Request, Response, Result};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let (operation, tag) = ("orphans_cleanup_cleanup", "Orphans: Cleanup");
    vec![
        Endpoint::new(Method::POST, "orphans/cleanup/", operation, tag, Permission::Superuser, cleanup)
            .summary("Remove content that is in no repository version, and artifacts that belong to nothing")
            .body(Media::Fields, request_component("OrphansCleanup", &fields(), Mode::Whole))
            .answer_task(),
    ]
}

fn fields() -> [Field; 2] {
    let minutes = Integer { low: Some(0), high: Some(4_294_967_295) };
    [Field::argument("content_hrefs", Texts), Field::argument("orphan_protection_time", minutes).nullable()]
}

async fn cleanup(mut request: Request) -> Result<Response> {
    let form = request.fields().await?;
    let values = Values::read(&request.reader(), &fields(), &form, Mode::Whole).await?;
    let content = match values.get("content_hrefs") {
        None => None,
        Some(_) => Some(units(&request, &values.texts("content_hrefs")).await?),
    };
    let configured = request.context.pulp.settings.orphan_protection_time.as_secs() / 60;
    let given = values.get("orphan_protection_time").and_then(Value::as_u64);
    request.dispatch(&Cleanup { content, protection_minutes: given.unwrap_or(configured) }).await
}

/// The units of the scope among those that are named; units that are gone already are no error.
async fn units(request: &Request, hrefs: &[&str]) -> Result<Vec<Uuid>> {
    if hrefs.is_empty() {
        return Err(Error::field("content_hrefs", "This list may not be empty."));
    }
    let id = |href: &&str| match request.links.parse(href) {
        Some(Reference::Object { kind, id }) if kind.table == "content" => Ok(id),
        _ => Err(bad_reference("content_hrefs")),
    };
    let ids = hrefs.iter().map(id).collect::<Result<Vec<Uuid>>>()?;
    let rows = request.scope.rows::<content::Entity>().filter(content::Column::PulpId.is_in(ids));
    Ok(rows.select_only().column(content::Column::PulpId).into_tuple().all(request.db()).await?)
}
