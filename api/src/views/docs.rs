//! The API document (R02), and the root of the API, which answers the same (R01).

use http::{Method, StatusCode};

use crate::response::{self, Response};
use crate::schema::{Component, text};
use crate::{Endpoint, Request, Result};

const JSON: &str = "application/vnd.oai.openapi+json";

pub(super) fn endpoints() -> Vec<Endpoint> {
    let document = || {
        let anything = crate::schema::simple(utoipa::openapi::Type::Object, None);
        Component::new("OpenAPI", utoipa::openapi::Schema::from(anything))
    };
    vec![
        Endpoint::new(Method::GET, "docs/api.json", "docs_api.json_get", "Docs: Api.Json", read)
            .summary("The description of this API.")
            .parameters([crate::schema::query("lang", text(None), "Ignored; there is one language.")])
            .answer(StatusCode::OK, document())
            .anonymous(),
        Endpoint::new(Method::GET, "", "root_read", "Root", read)
            .summary("The description of this API.")
            .answer(StatusCode::OK, document())
            .anonymous(),
    ]
}

async fn read(request: Request) -> Result<Response> {
    Ok(response::with_type(StatusCode::OK, JSON, request.context.document.clone()))
}
