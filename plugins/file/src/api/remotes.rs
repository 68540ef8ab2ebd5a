//! Where files come from.

use std::sync::Arc;

use ::api::Endpoint;
use ::api::view::NoDetails;
use ::api::views::remotes;

use crate::kinds;

pub(super) fn endpoints() -> Vec<Endpoint> {
    remotes::operations(&Arc::new(remotes::resource::<NoDetails>(&kinds::REMOTE)))
}
