//! Domains: so far the one every installation has, to be read (P37).

use std::sync::Arc;

use entities::domain::{Column, Entity, Model};
use entities::kind;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::filter;
use crate::reader::Reader;
use crate::resource::{self, Resource};
use crate::view::{Identity, Labels, View};
use crate::{Endpoint, Result};

/// A domain as clients see it.
#[derive(Debug, Serialize, ToSchema)]
struct Body {
    #[serde(flatten)]
    identity: Identity,
    name: String,
    description: Option<String>,
    pulp_labels: Labels,
    storage_class: String,
    /// Of a back end only its kind is told: the rest may be secret.
    #[schema(value_type = Object)]
    storage_settings: Value,
    redirect_to_object_storage: bool,
    hide_guarded_distributions: bool,
}

struct Domains;

impl View for Domains {
    type Entity = Entity;
    type Row = Model;
    type Body = Body;

    async fn show(rows: Vec<Model>, reader: &Reader<'_>) -> Result<Vec<Body>> {
        let show = |row: Model| Body {
            identity: Identity::of(&kind::DOMAIN, &row, reader),
            name: row.name,
            description: row.description,
            pulp_labels: Labels(row.pulp_labels),
            storage_class: row.storage_class,
            storage_settings: json!({}),
            redirect_to_object_storage: row.redirect_to_object_storage,
            hide_guarded_distributions: row.hide_guarded_distributions,
        };
        Ok(rows.into_iter().map(show).collect())
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let domains = Arc::new(resource());
    vec![resource::list(&domains), resource::read(&domains)]
}

fn resource() -> Resource<Domains> {
    let mut filters =
        [filter::names("name", Column::Name), filter::ids(&kind::DOMAIN, Column::PulpId)].concat();
    filters.push(filter::label_select(Column::PulpLabels));
    Resource { filters, ..Resource::new(&kind::DOMAIN) }.ordered_by([
        ("description", Column::Description),
        ("name", Column::Name),
        ("pulp_created", Column::PulpCreated),
        ("pulp_id", Column::PulpId),
        ("pulp_last_updated", Column::PulpLastUpdated),
        ("storage_class", Column::StorageClass),
    ])
}
