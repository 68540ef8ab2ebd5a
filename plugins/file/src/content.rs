//! The content app's side: file distributions are served the usual way, through their publications.

use ::content::Service;

use crate::kinds;

/// How file distributions are served.
pub(crate) fn services() -> Vec<Service> {
    vec![Service::below_distributions(kinds::PULP_TYPE)]
}
