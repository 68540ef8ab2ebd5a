//! `modify`: a new version by adding and removing units (C11).

use std::collections::HashSet;
use std::sync::Arc;

use entities::{Id, Kind, Reference, content, repository, repository_version};
use http::Method;
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use tasking::tasks::repository::{AddAndRemove, Base, Removal};
use uuid::Uuid;

use super::{Repositories, Row};
use crate::endpoint::Media;
use crate::field::{Boolean, Field, Mode, Texts, Values, Version, request_component};
use crate::resource::{Resource, sharing};
use crate::view::Details;
use crate::{Endpoint, Error, Request, Response, Result};

/// The operation for a type of repository.
pub fn modify<D: Details<Row>>(repositories: &Arc<Resource<Repositories<D>>>) -> Endpoint {
    let handler = sharing(repositories, async |repositories: Arc<Resource<Repositories<D>>>, request| {
        run(&repositories, request).await
    });
    repositories
        .action(Method::POST, "modify/", "modify", repositories.permission("modify"), handler)
        .summary(format!("Add and remove content of {}", repositories.kind.a_noun()))
        .body(Media::Fields, request_component("RepositoryAddRemoveContent", &fields(), Mode::Whole))
        .answer_task()
}

fn fields() -> [Field; 4] {
    [
        Field::argument("add_content_units", Texts),
        Field::argument("remove_content_units", Texts),
        Field::argument("base_version", Version),
        Field::argument("overwrite", Boolean).default(true),
    ]
}

async fn run<D: Details<Row>>(
    repositories: &Resource<Repositories<D>>,
    mut request: Request,
) -> Result<Response> {
    let repository = repositories.id(&request).await?;
    let form = request.fields().await?;
    let values = Values::read(&request.reader(), &fields(), &form, Mode::Whole).await?;
    let remove = values.texts("remove_content_units");
    let remove = match remove.contains(&"*") {
        true if remove.len() > 1 => {
            let message = "Cannot supply content units and '*'.";
            return Err(Error::field("remove_content_units", message));
        }
        true => Removal::All,
        false => Removal::Units(units(&request, "remove_content_units", &remove).await?),
    };
    let add = units(&request, "add_content_units", &values.texts("add_content_units")).await?;
    let base_version = match values.id::<repository_version::Entity>("base_version") {
        Some(version) => Some(base(&request, repositories.kind, version).await?),
        None => None,
    };
    let overwrite = values.is_true("overwrite");
    check_types(repositories.kind, &request, &add).await?;
    let (model, repository) = (repositories.kind.model(), repository.key());
    request.dispatch(&AddAndRemove { repository, model, add, remove, base_version, overwrite }).await
}

/// The ids of units of the scope; an error that names all that do not exist.
async fn units(request: &Request, field: &str, hrefs: &[&str]) -> Result<Vec<Uuid>> {
    let ids: Vec<Option<Uuid>> = hrefs
        .iter()
        .map(|href| match request.links.parse(href) {
            Some(Reference::Object { kind, id }) if kind.table == "content" => Some(id),
            _ => None,
        })
        .collect();
    let known: Vec<Uuid> = ids.iter().flatten().copied().collect();
    let rows = request.scope.rows::<content::Entity>();
    let rows = rows.filter(content::Column::PulpId.is_in(known.iter().copied())).select_only();
    let found: Vec<Uuid> = rows.column(content::Column::PulpId).into_tuple().all(request.db()).await?;
    let found: HashSet<Uuid> = found.into_iter().collect();
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

/// Refuses units of types that the repository does not take.
async fn check_types(kind: &Kind, request: &Request, units: &[Uuid]) -> Result<()> {
    let Some(types) = request.context.repository_types.of(kind.type_name()) else { return Ok(()) };
    let foreign = types.foreign(request.db(), units).await?;
    let Some(unit) = foreign.first() else { return Ok(()) };
    let message = format!("{} repositories do not take {} content", kind.noun(), unit.pulp_type);
    Err(Error::field("add_content_units", message))
}

/// The version to start from, which may be one of another repository of the same type.
async fn base(request: &Request, kind: &Kind, version: Id<repository_version::Entity>) -> Result<Base> {
    let rows = request.scope.rows::<repository_version::Entity>();
    let rows = rows.filter(repository_version::Column::PulpId.eq(version.key()));
    let rows = rows.filter(repository::Column::PulpType.eq(kind.pulp_type.unwrap_or_default()));
    let row = rows.one(request.db()).await?;
    let message = "base_version must be a version of a repository of the same type.";
    let row = row.ok_or_else(|| Error::field("base_version", message))?;
    Ok(Base { repository: row.repository_id, number: row.number })
}
