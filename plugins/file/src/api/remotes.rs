//! Where files come from.

use std::sync::Arc;

use ::api::view::NoDetails;
use ::api::views::remotes;
use ::api::{Endpoint, resource};

use crate::kinds;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let remotes = Arc::new(remotes::resource::<NoDetails>(&kinds::REMOTE));
    let mut endpoints = vec![
        resource::list(&remotes),
        resource::create(&remotes),
        resource::read(&remotes),
        resource::destroy_in_task(&remotes),
    ];
    endpoints.extend(resource::updates_in_task(&remotes));
    endpoints.extend(resource::labels(&remotes));
    endpoints
}
