//! Where files come from.

use std::sync::Arc;

use ::api::views::remotes;
use ::api::{Endpoint, Viewset, viewset};

use crate::kinds;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let remotes = Arc::new(remotes::viewset(Viewset::new(
        &kinds::REMOTE,
        "remotes_file_file",
        "file.FileRemote",
        "Remotes: File",
        "file_file_remote_href",
    )));
    let mut endpoints = vec![
        viewset::list(&remotes),
        viewset::create(&remotes),
        viewset::read(&remotes),
        viewset::destroy(&remotes),
    ];
    endpoints.extend(viewset::updates(&remotes));
    endpoints.extend(viewset::labels(&remotes));
    endpoints
}
