//! The content app's side: file distributions are served the usual way, through their publications.

use ::content::ContentPlugin;

use crate::{File, kinds};

/// The `pulp_type` of the distributions.
const TYPES: &[&str] = &[kinds::PULP_TYPE];

impl ContentPlugin for File {
    fn distribution_types(&self) -> &'static [&'static str] {
        TYPES
    }
}
