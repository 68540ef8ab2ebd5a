//! Whether the process answers at all (P43).

use http::{Method, StatusCode};

use crate::permission::Permission;
use crate::response;
use crate::schema::field_selection;
use crate::{Endpoint, Request};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let read = async |_: Request| Ok(response::empty(StatusCode::OK));
    vec![
        Endpoint::new(Method::GET, "livez/", "livez_read", "Livez", Permission::Anonymous, read)
            .summary("Liveness probe; checks no dependency")
            .parameters(field_selection())
            .answer_empty(StatusCode::OK),
    ]
}
