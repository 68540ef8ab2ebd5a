//! The API document (R02), and the root of the API, which returns the same (R01).

use http::{Method, StatusCode};
use serde_json::Value;

use crate::permission::Permission;
use crate::response::{self, Response};
use crate::schema::{Component, text};
use crate::{Endpoint, Error, Request, Result};

const JSON: &str = "application/vnd.oai.openapi+json";

pub(super) fn endpoints() -> Vec<Endpoint> {
    let document = || {
        let anything = crate::schema::simple(utoipa::openapi::Type::Object, None);
        Component::new("OpenAPI", utoipa::openapi::Schema::from(anything))
    };
    let (operation, tag) = ("docs_api.json_get", "Docs: Api.Json");
    vec![
        Endpoint::new(Method::GET, "docs/api.json", operation, tag, Permission::Anonymous, read)
            .summary("Inspect the description of this API")
            .parameters([crate::schema::query("lang", text(None), "Ignored; there is one language.")])
            .answer(StatusCode::OK, document()),
        Endpoint::new(Method::GET, "", "root_read", "Root", Permission::Anonymous, read)
            .summary("Inspect the description of this API")
            .answer(StatusCode::OK, document()),
    ]
}

async fn read(request: Request) -> Result<Response> {
    let document = request.context.document.clone();
    let (own, root) = (request.context.pulp.links.root(), request.links.root());
    if own == root {
        return Ok(response::with_type(StatusCode::OK, JSON, document));
    }
    // Behind a proxy the paths begin with another root.
    let mut document: Value =
        serde_json::from_slice(&document).map_err(|error| Error::Internal(error.into()))?;
    if let Some(paths) = document["paths"].as_object_mut() {
        *paths = std::mem::take(paths)
            .into_iter()
            .map(|(path, item)| match path.strip_prefix(own) {
                Some(below) => (format!("{root}{below}"), item),
                None => (path, item),
            })
            .collect();
    }
    Ok(response::with_type(StatusCode::OK, JSON, document.to_string()))
}
