//! Where files are served.

use std::sync::Arc;

use ::api::field::{Field, Shape};
use ::api::views::distributions;
use ::api::{Endpoint, Viewset, viewset};

use crate::kinds;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let mut distributions = distributions::viewset(Viewset::new(
        &kinds::DISTRIBUTION,
        "distributions_file_file",
        "file.FileDistribution",
        "Distributions: File",
        "file_file_distribution_href",
    ));
    distributions.fields.push(Field::reference("publication", "publication", "publication_id"));
    distributions.fields.push(Field::new("checkpoint", Shape::Boolean));
    let distributions = Arc::new(distributions);
    let mut endpoints = vec![
        viewset::list(&distributions),
        viewset::create_in_task(&distributions),
        viewset::read(&distributions),
        viewset::destroy(&distributions),
    ];
    endpoints.extend(viewset::updates(&distributions));
    endpoints.extend(viewset::labels(&distributions));
    endpoints
}
