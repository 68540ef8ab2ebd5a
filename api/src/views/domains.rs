//! Domains: so far the one every installation has, to be read (P37).

use std::sync::Arc;

use entities::kind;

use crate::Endpoint;
use crate::field::{Field, Shape, identity, labels};
use crate::filter;
use crate::viewset::{self, Viewset};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let domains = Arc::new(viewset());
    vec![viewset::list(&domains), viewset::read(&domains)]
}

fn viewset() -> Viewset {
    let mut fields = identity("domain");
    fields.extend([
        Field::text("name").required(),
        Field::text("description").nullable(),
        labels(),
        Field::text("storage_class").required(),
        // Of a back end only its kind is told: the rest may be secret.
        Field::shown("storage_settings", Shape::Map, "'{}'::json"),
        Field::new("redirect_to_object_storage", Shape::Boolean).default(true),
        Field::new("hide_guarded_distributions", Shape::Boolean).default(false),
    ]);
    let mut filters = [filter::names("name", "t.name"), filter::ids("domain", "t.pulp_id")].concat();
    filters.push(filter::label_select("t.pulp_labels"));
    Viewset {
        fields,
        filters,
        domain: None,
        ..Viewset::new(&kind::DOMAIN, "domains", "Domain", "Domains", "domain_href")
    }
    .ordered_by(&[
        "description",
        "name",
        "pulp_created",
        "pulp_id",
        "pulp_last_updated",
        "storage_class",
    ])
}
