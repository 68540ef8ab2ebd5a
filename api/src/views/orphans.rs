//! Orphan cleanup (P19, C30).

use entities::Reference;
use http::{Method, StatusCode};
use serde_json::Value;
use tasking::tasks::orphan::Cleanup;
use uuid::Uuid;

use crate::endpoint::Media;
use crate::field::{Field, Shape, Values, write_component};
use crate::request::AsyncOperationResponse;
use crate::schema::Component;
use crate::{Endpoint, Error, Request, Response, Result, sql};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            Method::POST,
            "orphans/cleanup/",
            "orphans_cleanup_cleanup",
            "Orphans: Cleanup",
            cleanup,
        )
        .summary("Removes content that is in no repository version, and artifacts that belong to nothing.")
        .body(Media::Fields, write_component("OrphansCleanup", &fields(), false))
        .answer(StatusCode::ACCEPTED, Component::of::<AsyncOperationResponse>()),
    ]
}

fn fields() -> [Field; 2] {
    [
        Field::argument("content_hrefs", Shape::Texts),
        Field::argument("orphan_protection_time", Shape::Integer(Some(0), Some(4_294_967_295))).nullable(),
    ]
}

async fn cleanup(mut request: Request) -> Result<Response> {
    let form = request.fields().await?;
    let values = Values::read(&request.context, request.domain(), &fields(), &form).await?;
    let content = match values.get("content_hrefs").and_then(Value::as_array) {
        None => None,
        Some(hrefs) if hrefs.is_empty() => {
            return Err(Error::field("content_hrefs", "This list may not be empty."));
        }
        Some(hrefs) => Some(hrefs.iter().map(unit).collect::<Result<Vec<Uuid>>>()?),
    };
    let configured = request.context.pulp.settings.orphan_protection_time.as_secs() / 60;
    let given = values.get("orphan_protection_time").and_then(Value::as_u64);
    request.dispatch(&Cleanup { content, protection_minutes: given.unwrap_or(configured) }).await
}

fn unit(href: &Value) -> Result<Uuid> {
    match href.as_str().and_then(Reference::parse) {
        Some(Reference::Object { kind, id }) if kind.table == "content" => Ok(id),
        _ => Err(sql::bad_reference("content_hrefs")),
    }
}
