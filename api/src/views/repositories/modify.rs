//! `modify`: a new version by adding and removing units (C11).

use std::sync::Arc;

use entities::{Reference, db};
use http::{Method, StatusCode};
use sea_orm::ConnectionTrait;
use serde_json::Value;
use tasking::tasks::repository::{AddAndRemove, Removal};
use uuid::Uuid;

use crate::endpoint::Media;
use crate::field::{Field, Shape, Values, write_component};
use crate::request::AsyncOperationResponse;
use crate::schema::Component;
use crate::viewset::{Viewset, find};
use crate::{Endpoint, Error, Request, Response, Result};

/// The operation for a type of repository.
pub fn modify(repositories: &Arc<Viewset>) -> Endpoint {
    let shared = repositories.clone();
    let handler = move |request: Request| {
        let repositories = shared.clone();
        async move { run(&repositories, request).await }
    };
    repositories
        .action(Method::POST, "modify/", "modify", handler)
        .summary("Makes a version by adding and removing content.")
        .body(Media::Fields, write_component("RepositoryAddRemoveContent", &fields(), false))
        .answer(StatusCode::ACCEPTED, Component::of::<AsyncOperationResponse>())
}

fn fields() -> [Field; 3] {
    [
        Field::argument("add_content_units", Shape::Texts),
        Field::argument("remove_content_units", Shape::Texts),
        Field::argument("base_version", Shape::Version),
    ]
}

async fn run(repositories: &Viewset, mut request: Request) -> Result<Response> {
    let repository = request.id()?;
    find(repositories, &request, repository).await?;
    let form = request.fields().await?;
    let values = Values::read(&request.context, request.domain(), &fields(), &form).await?;
    let remove = texts(&values, "remove_content_units");
    let remove = match remove.contains(&"*") {
        true if remove.len() > 1 => {
            let message = "Cannot supply content units and '*'.";
            return Err(Error::field("remove_content_units", message));
        }
        true => Removal::All,
        false => Removal::Units(units(&request, "remove_content_units", &remove).await?),
    };
    let add = units(&request, "add_content_units", &texts(&values, "add_content_units")).await?;
    let base_version = match values.id("base_version") {
        Some(version) => Some(number_of(&request, repository, version).await?),
        None => None,
    };
    let pulp_type = repositories.kind.pulp_type.to_owned();
    request.dispatch(&AddAndRemove { repository, pulp_type, add, remove, base_version }).await
}

fn texts<'a>(values: &'a Values, name: &str) -> Vec<&'a str> {
    values.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The ids of units; an error that names all that do not exist.
async fn units(request: &Request, field: &str, hrefs: &[&str]) -> Result<Vec<Uuid>> {
    let ids: Vec<Option<Uuid>> = hrefs
        .iter()
        .map(|href| match Reference::parse(href) {
            Some(Reference::Object { kind, id }) if kind.table == "content" => Some(id),
            _ => None,
        })
        .collect();
    let known: Vec<Uuid> = ids.iter().flatten().copied().collect();
    let sql = "SELECT pulp_id FROM content WHERE pulp_id = ANY($1) AND pulp_domain_id = $2";
    let values = [known.clone().into(), request.domain().into()];
    let rows = request.context.pulp.db.query_all_raw(db::sql(sql, values)).await?;
    let found: std::collections::HashSet<Uuid> =
        rows.iter().map(|row| row.try_get("", "pulp_id")).collect::<Result<_, _>>()?;
    let missing: Vec<&str> = hrefs
        .iter()
        .zip(&ids)
        .filter(|(_, id)| id.is_none_or(|id| !found.contains(&id)))
        .map(|(href, _)| *href)
        .collect();
    match missing.is_empty() {
        true => Ok(known),
        false => {
            let list = missing.join(", ");
            Err(Error::field(field, format!("Could not find the following content units: {list}")))
        }
    }
}

async fn number_of(request: &Request, repository: Uuid, version: Uuid) -> Result<i32> {
    let sql = "SELECT number FROM repository_version WHERE pulp_id = $1 AND repository_id = $2";
    let row =
        request.context.pulp.db.query_one_raw(db::sql(sql, [version.into(), repository.into()])).await?;
    let other = || Error::field("base_version", "base_version must be a version of this repository.");
    Ok(row.ok_or_else(other)?.try_get("", "number")?)
}
